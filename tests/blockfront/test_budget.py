"""Trainings that stop early: the rule, the rounds, what rows and reports say, and what `--budget` may be."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest

import blockfront
from blockfront.analysis import Objectives, front, headline, stopped_early
from blockfront.console.progress import Silent
from blockfront.design_space import DesignSpace, Stage, choice, integer
from blockfront.errors import UsageError
from blockfront.results import Latency, Score, Training
from blockfront.results.table import row_of, to_frame
from blockfront.study.journal import Journal, keep_settings
from blockfront.study.reading import read_results
from blockfront.study.settings import Settings
from blockfront.study.storage import opened
from blockfront.sweep.budget import EPOCHS, FRONT, check_budget
from blockfront.sweep.drawing import draw_missing
from blockfront.sweep.early_stopping import train_within_budget
from blockfront.sweep.forecasting import (
    Contender,
    affordable,
    choose_pilots,
    foresee,
    pilot_count,
    rungs,
)
from blockfront.sweep.plan import SweepPlan
from blockfront.sweep.pool import Outcome
from blockfront.sweep.request import Request
from blockfront.sweep.stages import Trained
from blockfront.targets import Asked, choose, get_target
from blockfront.training import Recipe
from tests.blockfront.conftest import OPTIONS


def _field(n: int = 30, epochs: int = 10, finished: int = 8, seed: int = 0, noise: float = 0.005) -> list[Contender]:
    """Networks whose curves rise to a level of their own, of whom the first are finished; costs are shuffled."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        level = rng.uniform(0.5, 0.9)
        curve = level * (1 - 0.5 ** np.arange(1, epochs + 1)) + noise * rng.standard_normal(epochs)
        done = number < finished
        end = epochs if done else 3
        found.append(Contender(number, float(rng.uniform(1, 10)), tuple(curve[:end]), float(level) if done else None))
    return found


def test_networks_are_judged_after_each_epoch_at_first_and_never_after_the_last():
    assert rungs(1) == ()
    assert rungs(2) == (1,)
    assert rungs(30) == (1, 2, 3, 4, 6, 9, 13, 19, 28)


def test_pilots_are_spread_over_the_costs():
    field = _field(60)
    chosen = choose_pilots(field)
    assert len(chosen) == pilot_count(60) == 6
    order = [one.number for one in sorted(field, key=lambda one: one.cost)]
    assert [order.index(number) // 10 for number in sorted(chosen, key=order.index)] == list(range(6))
    assert choose_pilots(field[:3]) == {0, 1, 2}


def test_a_forecast_is_the_line_through_finished_curves_with_the_interval_of_a_new_point():
    """Against scipy's own regression and its textbook interval."""
    from scipy import stats

    field = _field()
    done, going = field[:8], field[8:]
    x, y = np.array([one.curve[2] for one in done]), np.array([one.final for one in done])
    line = stats.linregress(x, y)
    deviation = np.sqrt(((y - line.intercept - line.slope * x) ** 2).sum() / 6)
    for one, outlook in zip(going, foresee(field, 3, 0.0), strict=True):
        at = one.curve[2]
        half = stats.t.ppf(0.9, 6) * deviation * np.sqrt(1 + 1 / 8 + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
        assert outlook.expected == pytest.approx(line.intercept + line.slope * at)
        assert outlook.optimistic == pytest.approx(outlook.expected + half)


def test_the_front_at_a_cost_is_the_best_of_the_others_that_cost_no_more():
    """By hand: perfect forecasts of twice the first epoch's gain."""
    done = [
        Contender(number, 10.0 + number, (gain, 2 * gain), 2 * gain) for number, gain in enumerate((0.1, 0.2, 0.3, 0.4))
    ]
    going = [Contender(10, 1.0, (0.1,)), Contender(11, 2.0, (0.09,)), Contender(12, 11.5, (0.45,))]
    cheap, dominated, best = foresee([*done, *going], 1, 0.01)
    assert (cheap.needed, cheap.hopeless) == (-np.inf, False)
    assert dominated.needed == pytest.approx(0.2 - 0.01)
    assert dominated.hopeless
    assert best.needed == pytest.approx(0.4 - 0.01)
    assert not best.hopeless
    assert not foresee([*done, *going], 1, 0.03)[1].hopeless, "within a standard error of the front"


def test_decisions_do_not_follow_from_the_order_of_workers():
    field = _field()
    told = foresee(field, 3, 0.004)
    for seed in range(5):
        shuffled = random.Random(seed).sample(field, len(field))
        assert foresee(shuffled, 3, 0.004) == told
    assert {one.number for one in told} == set(range(8, 30))
    assert any(one.hopeless for one in told)
    assert not all(one.hopeless for one in told)


def test_nothing_is_out_of_reach_while_few_are_finished():
    told = foresee(_field(finished=3), 3, 0.0)
    assert len(told) == 27
    assert not any(one.hopeless for one in told)


@pytest.mark.parametrize(("epochs", "networks"), [(10, 30), (30, 60), (5, 12)])
def test_what_epochs_allow_is_never_more_than_there_are_and_the_widest_margins_go_on(epochs, networks):
    left = 3 * networks
    going = foresee(_field(networks + 8, epochs), 1, 0.0)
    epoch = 1
    for rung in (*rungs(epochs)[1:], epochs):
        chosen = affordable(going, epoch, epochs, left)
        left -= (rung - epoch) * len(chosen)
        assert left >= 0
        worst = min((one.margin for one in going if one.number in chosen), default=np.inf)
        assert all(one.margin <= worst for one in going if one.number not in chosen)
        going, epoch = [one for one in going if one.number in chosen], rung
    assert going


def test_nobody_goes_on_without_an_epoch_left():
    going = foresee(_field(), 1, 0.0)
    assert affordable(going, 1, 10, 0) == affordable(going, 1, 10, -50) == set()


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (("soon", 20, 10, 1, True), "--budget is front or a number of epochs in all, not 'soon'"),
        (("front", 20, None, 1, True), "there is none"),
        (("front", 20, 1, 1, True), "the recipe has one; give more, such as --epochs 10"),
        (("front", 20, 10, 1, False), "leave --value out"),
        (("300", 20, 10, 2, True), "take --budget front"),
        (("73", 20, 10, 1, True), "one epoch of each of 20 networks, and the other 9 of 6 of them, take 74"),
    ],
)
def test_what_is_no_budget_says_why(call, reason):
    with pytest.raises(UsageError, match=reason):
        check_budget(*call)


def test_a_budget_has_a_kind():
    assert check_budget(None, 20, 1, 1, True) is None
    assert check_budget("front", 20, 10, 3, True) == FRONT
    assert check_budget("74", 20, 10, 1, True) == EPOCHS


SPACE = DesignSpace(
    "tiny",
    resolution=32,
    num_classes=10,
    stem=8,
    family=choice("ds", "ir"),
    stages=[Stage(depth=1, width=integer(8, 64, step=8), stride=2) for _ in range(2)],
)
EPOCHS_EACH = 6


class _Machine:
    """Stands in for a cluster: trains in no time, in an order of its own, and may die."""

    def __init__(self, order: int, lives: int = 10_000) -> None:
        self.order = random.Random(order)
        self.lives = lives
        self.trained: Counter[str] = Counter()

    def run(self, calls, limit_s):
        calls = list(calls)
        for call in self.order.sample(calls, len(calls)):
            if self.lives == 0:
                raise KeyboardInterrupt
            self.lives -= 1
            job, _, recipe, *_, until, _ = call.arguments
            self.trained[job.network_id] += 1
            yield Outcome(call.number, SimpleNamespace(result=partial(_trained, job, recipe, until)))


def _trained(job, recipe, until) -> Trained:
    rng = np.random.default_rng([int(job.network_id, 16), job.seed])
    curve = tuple((rng.uniform(0.5, 0.9) * (1 - 0.5 ** np.arange(1, recipe.epochs + 1))).tolist())
    end = until or recipe.epochs
    scores = {"top1": Score(curve[-1], curve[-1] - 0.01, curve[-1] + 0.01)} if end == recipe.epochs else {}
    training = Training(scores, 1000, curve[:end], "digits", recipe.hash, end, "trained", float(end), job.seed)
    return Trained({"trainings": (training,)}, None, Path("nowhere"))


def _sweep(storage, machine: _Machine, n: int = 24, budget: str = "front", seeds: int = 1) -> pd.DataFrame:
    """Train what a study lacks within a budget; gives its rows."""
    kind = FRONT if budget == FRONT else EPOCHS
    settings = Settings(
        *("tiny", SPACE.hash, {}, "rk3399", {}, "roofline", "tvm", "float32", 2, "digits", "f"),
        *({"epochs": EPOCHS_EACH}, "r", 0, "random"),
        task="classification",
        objectives=("macs", "top1"),
        train_seeds=seeds,
        budget=kind,
    )
    means = choose(Asked(get_target("rk3399")), runner="roofline")
    request = Request(device="cpu", budget=budget)
    recipe = Recipe(epochs=EPOCHS_EACH)
    plan = SweepPlan(request, "budgeted", SPACE, None, recipe, means, settings, workers=1, devices=1)
    keeper = SimpleNamespace(wanted=False, keep_weights=lambda *_: None, tidy=lambda: None)
    study = optuna.create_study(
        study_name="budgeted", storage=storage, directions=["minimize", "maximize"], load_if_exists=True
    )
    journal = Journal(storage, study, settings)
    keep_settings(study, settings)
    entries = journal.unfinished()
    for draw in draw_missing(SPACE, 0, n, journal.taken()):
        entry = journal.add(SPACE, draw)
        cost, latency = draw.network.cost, Latency("predicted", "roofline", "tvm", "rk3399", "model", 2, 1.0)
        journal.record(entry, {"cost": cost, "latency": latency})
        entries.append(entry)
    with suppress(KeyboardInterrupt):
        train_within_budget(machine, plan, journal, entries, Silent(), keeper)
    return to_frame(row_of(result) for result in read_results(study))


@pytest.fixture
def storages(tmp_path):
    """New storages, as many as a test asks for."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(opened(str(tmp_path / f"{name}.db"), create=True))


WHAT = ["network_id", "state", "epochs", "stopped", "optimistic_value", "top1"]


def test_networks_that_cannot_reach_the_front_stop_and_their_rows_say_when_and_why(storages):
    rows = _sweep(storages("one"), _Machine(0))
    stopped, finished = (rows[rows["state"] == state] for state in ("stopped", "complete"))
    assert len(stopped) + len(finished) == 24
    assert 6 <= len(finished) < 24
    assert (finished["epochs"] == EPOCHS_EACH).all()
    assert (stopped["epochs"] < EPOCHS_EACH).all()
    assert stopped["top1"].isna().all()
    assert (
        stopped["stopped"]
        .str.fullmatch(r"after \d of 6 epochs: at best [\d.]+ %, and the front has [\d.]+ % at its cost")
        .all()
    )
    full = {
        row.network_id: _trained(SimpleNamespace(network_id=row.network_id, seed=0), Recipe(epochs=6), None)
        for row in rows.itertuples()
    }
    truth = rows.assign(top1=[full[i].parts["trainings"][0].curve[-1] for i in rows["network_id"]], state="complete")
    objectives = Objectives("macs", "top1")
    assert set(front(truth, "macs", "top1")["network_id"]) == set(front(rows, "macs", "top1")["network_id"])
    found = stopped_early(rows, objectives)
    assert (found.stopped, found.networks) == (len(stopped), 24)
    assert found.epochs == pytest.approx(rows["epochs"].sum() / (24 * EPOCHS_EACH))
    assert found.loss >= 0
    assert any(
        line.startswith(f"Training stopped early for {len(stopped)} of 24") for line in headline(rows, objectives)
    )


def test_neither_the_order_of_workers_nor_a_kill_changes_a_decision(storages):
    undisturbed = _sweep(storages("one"), _Machine(0))
    assert _sweep(storages("two"), _Machine(1))[WHAT].equals(undisturbed[WHAT])
    for lives in (20, 27):
        storage = storages(f"killed-{lives}")
        killed = _sweep(storage, _Machine(2, lives))
        assert "running" in set(killed["state"])
        assert _sweep(storage, _Machine(3))[WHAT].equals(undisturbed[WHAT])


def test_a_number_of_epochs_is_never_exceeded_and_the_front_is_trained_first(storages):
    rows = _sweep(storages("one"), _Machine(0), budget="70")
    assert rows["epochs"].sum() <= 70
    assert (rows["state"] == "complete").sum() >= 6
    assert rows["stopped"].str.contains("the budget goes to others").any()


def test_only_networks_that_finish_are_trained_with_other_seeds(storages):
    machine = _Machine(0)
    rows = _sweep(storages("one"), machine, seeds=3)
    assert set(rows.loc[rows["state"] == "complete", "trainings"]) == {3}
    assert rows.loc[rows["state"] == "stopped", "trainings"].isna().all()


def test_a_study_that_grows_judges_newcomers_by_what_is_finished(storages):
    storage = storages("one")
    before = _sweep(storage, _Machine(0), n=24)
    machine = _Machine(1)
    after = _sweep(storage, machine, n=36)
    assert after[WHAT].iloc[:24].equals(before[WHAT])
    assert set(machine.trained) == set(after["network_id"].iloc[24:])
    assert "stopped" in set(after["state"].iloc[24:])


@pytest.mark.long
def test_bench_sample_trains_within_a_budget(commands):
    arguments = [one for one in OPTIONS if one not in ("--epochs", "1")]
    done = commands.run("sample", "--n", "8", *arguments, "--budget", "23", "--epochs", "3", "--study", "budgeted")
    assert done.returncode == 0, done.stderr
    rows = blockfront.load("budgeted", commands.storage)
    assert sorted(rows["state"]) == ["complete"] * 6 + ["stopped"] * 2 or rows["epochs"].sum() <= 23
    assert "Training stopped early for" in done.stdout
    assert "Training stopped early for" in (commands.folder / "report.html").read_text()
