"""`bench validate accuracy`: Kendall's τ of a cheap and a long recipe, what is kept, and what reports say of it."""

from __future__ import annotations

import json
import re
import signal
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from blockfront.training import Recipe, get_dataset
from blockfront.validation import ranking as module
from blockfront.validation import trust as trust_module
from blockfront.validation.ranking import kendall, stratified
from blockfront.validation.records import TrainedNetwork, read_records
from blockfront.validation.trust import Ranking, find_ranking, ranking_path, trust
from tests.conftest import wait_until

FAMILIES = ("ds", "ir", "ghost")


def _every(n: int) -> np.ndarray:
    return np.ones((n, n), dtype=bool)


@given(st.permutations(range(12)))
def test_tau_is_scipys(order):
    first, second = np.arange(12.0), np.array(order, dtype=np.float64)
    assert kendall(first, second, _every(12), draws=10).tau == pytest.approx(kendalltau(first, second).statistic)


def test_tau_between_families_leaves_out_what_is_within_them():
    """By hand: within families every pair is discordant, between them every pair is concordant."""
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 4.0, 3.0])
    family = np.array(["a", "a", "b", "b"])
    assert kendall(first, second, _every(4)).tau == pytest.approx((4 - 2) / 6)
    assert kendall(first, second, family[:, None] != family[None]).tau == 1


def test_the_interval_covers_the_networks_drawn():
    """Of samples of 30 from normal pairs of known τ (Kendall 1938: 2/π · asin ρ) nine in ten intervals hold it."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(60):
        first = rng.standard_normal(30)
        second = 0.8 * first + 0.6 * rng.standard_normal(30)
        rank = kendall(first, second, _every(30), draws=200)
        held += rank.low <= 2 / np.pi * np.arcsin(0.8) <= rank.high
    assert held >= 51


@pytest.fixture
def pretended(monkeypatch, tmp_path) -> list[tuple[str, int]]:
    """Trainings that take no time: the accuracy follows from size, and epochs bring it nearer; which were done."""
    done: list[tuple[str, int]] = []

    def train_one(text, dataset, recipe, seed, device, code):
        from blockfront.design_space import Network

        network = Network.parse(text)
        done.append((text, recipe.epochs))
        noise = np.random.default_rng(len(text) + network.cost.params).normal() / recipe.epochs
        value = np.log(network.cost.macs) / 20 + 0.01 * noise
        return TrainedNetwork(text, network.family, code, network.cost.macs, network.cost.params, float(value), 1.0)

    class Inline:
        def __init__(self, *arguments, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def submit(self, function, *arguments):
            from concurrent.futures import Future

            future = Future()
            future.set_result(train_one(*arguments))
            return future

    monkeypatch.setattr(module, "ProcessPoolExecutor", Inline)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return done


CALL = ("validate", "accuracy", "--n", "9", "--dataset", "digits", "--set", "epochs=40", "--workers", "1")


def test_both_recipes_train_each_network_once_and_what_is_found_is_kept(bench, pretended):
    said = bench(*CALL, "--json")
    assert said.code == 0, said.errors
    found = json.loads(said.output)
    assert (found["networks"], found["families"], found["dataset"]) == (9, 9, "digits")
    assert found["cost_share"] == pytest.approx(4 / 40)
    assert found["over_all"]["macs"]["tau"] > 0.5
    assert len(pretended) == len(set(pretended)) == 18
    again = bench(*CALL)
    assert again.code == 0
    assert len(pretended) == 18
    assert "9 networks of 9 families of mobile on digits" in again.output
    assert bench(*CALL[:3], "10", *CALL[4:]).code == 0
    assert len(pretended) == 20


def test_reports_by_the_recipe_say_how_well_it_ranks_and_others_that_nobody_knows(bench, pretended):
    digits, recipe = get_dataset("digits"), Recipe()
    assert trust(digits.fingerprint, recipe.hash).startswith("not validated")
    assert bench(*CALL).code == 0
    said = trust(digits.fingerprint, recipe.hash)
    assert said.startswith("9 networks of 9 families of mobile, trained by this recipe and by one of 10 times its cost")
    taus = r"[-\d.]+ \(95 % interval [-\d.]+ to [-\d.]+\), between families [-\d.]+ \(95 % interval"
    assert all(re.search(f"{what} {taus}", said) for what in ("Kendall τ", "that of MACs", "that of parameters"))
    assert find_ranking(digits.fingerprint, Recipe(epochs=1).hash) is None


def test_a_ranking_that_comes_with_the_package_is_told_after_one_made_here(bench, pretended, monkeypatch, tmp_path):
    """The file that a validation writes is shipped as it is, under its own name."""
    assert bench(*CALL).code == 0
    digits, recipe = get_dataset("digits"), Recipe()
    made = ranking_path(tmp_path / "cache/validation", digits.fingerprint, recipe.hash)
    shipped = tmp_path / "rankings"
    shipped.mkdir()
    monkeypatch.setattr(trust_module, "SHIPPED", shipped)
    told = trust(digits.fingerprint, recipe.hash)
    made.rename(shipped / made.name)
    assert trust(digits.fingerprint, recipe.hash) == told
    made.write_text((shipped / made.name).read_text().replace('"space":"mobile"', '"space":"mine"'))
    assert "families of mine" in trust(digits.fingerprint, recipe.hash)
    made.write_text("{")
    assert trust(digits.fingerprint, recipe.hash) == told


def test_trainings_that_come_with_the_package_are_not_done_again(bench, pretended, monkeypatch, tmp_path):
    assert bench(*CALL).code == 0
    (tmp_path / "cache/validation").rename(tmp_path / "rankings")
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "rankings")
    done = len(pretended)
    assert bench(*CALL).code == 0
    assert len(pretended) == done


@pytest.mark.parametrize("path", sorted(trust_module.SHIPPED.glob("ranking-*.json")), ids=lambda path: path.name)
def test_what_is_shipped_follows_from_the_trainings_beside_it(path):
    ranking = msgspec.json.decode(path.read_bytes(), type=Ranking)
    runs = [
        read_records(path.with_name("trainings.jsonl"), TrainedNetwork, f"{recipe} {ranking.dataset_fingerprint} 0")
        for recipe in (ranking.cheap_hash, ranking.long_hash)
    ]
    cheap, long = runs
    truth = [one.value for one in long.values()]
    assert (ranking.networks, ranking.families) == (len(long), len({one.family for one in long.values()}))
    proxies = {
        "cheap": [cheap[text].value for text in long],
        "macs": [one.macs for one in long.values()],
        "params": [one.params for one in long.values()],
    }
    for name, values in proxies.items():
        assert ranking.over_all[name].tau == pytest.approx(_gamma(values, truth))


def _gamma(first: list[float], second: list[float]) -> float:
    """Concordant less discordant pairs, over all pairs."""
    signs = [np.sign((a - b) * (c - d)) for (a, c), (b, d) in combinations(zip(first, second, strict=True), 2)]
    return float(np.mean(signs))


def _run(values: list[float], macs: list[int]) -> list[TrainedNetwork]:
    return [TrainedNetwork(str(i), "ds", "", m, 1, v, 1.0) for i, (v, m) in enumerate(zip(values, macs, strict=True))]


def test_strata_are_those_of_the_fronts_accuracies():
    """By hand: the front goes from 0.50 to 0.90, and what is below 0.50 is not asked about."""
    values = [0.50, 0.90, 0.51, 0.52, 0.53, 0.62, 0.72, 0.82, 0.10, 0.20]
    run = _run(values, [1, 9, 9, 9, 9, 9, 9, 9, 9, 9])
    assert stratified(run, 4, strata=4) == [0, 1, 5, 6]
    assert stratified(run, 6, strata=4) == [0, 1, 2, 5, 6, 7]
    assert stratified(run, 8, strata=4) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert stratified(run, 9, strata=4) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_networks_may_be_chosen_over_the_front_and_reports_say_of_how_many(bench, pretended):
    assert bench(*CALL[:3], "6", "--of", "15", *CALL[4:]).code == 0
    epochs = [epochs for _, epochs in pretended]
    assert (epochs.count(4), epochs.count(40)) == (15, 6)
    said = trust(get_dataset("digits").fingerprint, Recipe().hash)
    assert "chosen of 15 evenly over the accuracies of their front" in said


def test_every_report_has_the_sentence(bench, finished):
    assert bench("report", finished.study, "--storage", finished.commands.storage).code == 0
    page = Path("report.html").read_text()
    assert "ranks of accuracies" in page
    assert "not validated" in page


def test_a_batch_systems_sigterm_ends_it_without_waiting_for_a_training(commands, monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    call = ("--n", "5", "--dataset", "digits", "--recipe", "standard", "--against", "quick", "--workers", "1")
    with commands.start("validate", "accuracy", *call) as process:
        wait_until(lambda: list(tmp_path.glob("checkpoints/*.pt")))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "go on with: bench validate accuracy" in errors.splitlines()[-1]
    assert psutil.wait_procs(workers, timeout=10)[1] == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--against", "quick"), "the two recipes are one"),
        (("--n", "3"), "fewer than 5 networks"),
        (("--n", "9", "--of", "8"), "--of 8 is fewer than the 9 networks"),
        (("--set", "epochs=0"), "epochs must be 1 or more"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(bench, options, reason):
    said = bench("validate", "accuracy", "--dataset", "digits", *options)
    assert said.code == 2
    assert reason in said.errors
    assert said.errors.count("\n") == 1
