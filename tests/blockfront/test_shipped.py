"""Latencies that come with the package: quoted while nothing they follow from has changed, and never after."""

from __future__ import annotations

from dataclasses import replace

import pytest

import blockfront
from blockfront.console.progress import Silent
from blockfront.design_space import known_network
from blockfront.errors import RunError, UsageError
from blockfront.results import Cost, Latency
from blockfront.results.trial import write_part
from blockfront.services.rank import models_of_table, plan_ranking
from blockfront.study.journal import facts_of
from blockfront.sweep import run, shipped
from blockfront.sweep.plan import resolve
from blockfront.sweep.request import Request
from blockfront.sweep.shipped import (
    TABLE,
    KnownLatency,
    made_by,
    make_rows,
    read_table,
    rows_made,
    taken_over,
    valid_rows,
    write_table,
)
from blockfront.sweep.sources import plain_source
from blockfront.sweep.stages import Job, profile_network
from blockfront.targets import METERS, TOOLCHAINS, Means, RunOptions, get_processor
from blockfront.targets.compiler import kernel_cache
from blockfront.targets.latency.meters import emulated
from blockfront.targets.latency.profiler import emulator_obstacle, store

COST = Cost(1_000_000, 2_000, 3_000)


def _means(target: str = "rpi5", threads: int = 1, **options: object) -> Means:
    return Means(TOOLCHAINS["tvm"], METERS["emulated"], RunOptions(get_processor(target), threads, **options))


def _latency(means: Means, ms: float = 12.5) -> Latency:
    options = means.options
    made = {"runner": "emulated", "toolchain": "tvm", "predictor": "emulated", "prediction": means.prediction}
    return Latency("predicted", target=options.target.name, device="model", threads=1, median_ms=ms, **made)


def _table(path, maker: str, *models: str):
    means = _means()
    networks = [write_part(facts_of(known_network(model))) for model in models]
    write_table([KnownLatency.of(network, "3x160x160", COST, _latency(means), maker) for network in networks], path)
    return path


@pytest.fixture
def plan(tmp_path):
    """A plan for two networks whose latencies are to be predicted from code, without asking whether QEMU is there."""
    request = Request(
        models=("test_resnet", "test_vit"), target="rpi5", threads=1, runner="roofline", train=False,
        storage=str(tmp_path / "bench.db"),
    )  # fmt: skip
    asked = resolve(request)
    return replace(asked, means=_means(), settings=replace(asked.settings, runner="emulated"))


@pytest.fixture
def no_workers(monkeypatch):
    def started(*arguments: object, **options: object) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(run, "embedded_cluster", started)


def test_networks_of_the_table_are_there_at_once_and_no_worker_starts(plan, tmp_path, no_workers):
    table = _table(tmp_path / "table.parquet", made_by(plan.means), "test_resnet", "test_vit", "resnet18")
    done = run.run_sweep(plan, Silent(), table=table)
    assert (done.quoted, done.worked_on) == (2, 0)
    frame = blockfront.load(plan.study, plan.request.storage)
    assert list(frame["state"]) == ["complete"] * 2
    assert list(frame["latency_ms"]) == [12.5] * 2
    assert list(frame["latency_source"]) == ["predicted"] * 2
    assert list(frame["macs"]) == [COST.macs] * 2


def test_what_the_table_lacks_is_left_to_workers(plan, tmp_path, no_workers):
    table = _table(tmp_path / "table.parquet", made_by(plan.means), "test_vit")
    with pytest.raises(AssertionError, match="a worker was started"):
        run.run_sweep(plan, Silent(), table=table)
    frame = blockfront.load(plan.study, plan.request.storage)
    assert list(frame["state"]) == ["running", "complete"]
    assert frame["latency_ms"].isna().tolist() == [True, False]


@pytest.mark.parametrize("maker", ["of other rules", ""])
def test_a_row_that_something_else_made_is_never_quoted(plan, tmp_path, no_workers, maker):
    table = _table(tmp_path / "table.parquet", maker, "test_resnet", "test_vit")
    with pytest.raises(AssertionError, match="a worker was started"):
        run.run_sweep(plan, Silent(), table=table)
    assert blockfront.load(plan.study, plan.request.storage)["latency_ms"].isna().all()


@pytest.fixture
def no_emulator(monkeypatch):
    def absent(target: object) -> None:
        raise RunError("no emulator, and none to be had")

    monkeypatch.setattr(emulated, "find_emulator", absent)


def test_what_the_table_has_needs_no_emulator(tmp_path, no_emulator, no_workers):
    table = _table(tmp_path / "table.parquet", made_by(_means()), "test_resnet", "test_vit")
    request = Request(target="rpi5", threads=1, train=False, storage=str(tmp_path / "bench.db"))
    models = models_of_table(request, table)
    assert models == ("known_3x160x160/test_resnet.r160_in1k", "known_3x160x160/test_vit.r160_in1k")
    quoted = plan_ranking(replace(request, models=models), table)
    assert run.run_sweep(quoted, Silent(), table=table).quoted == 2
    more = plan_ranking(replace(request, models=("test_resnet", "resnet18")), table)
    assert (quoted.means.meter.name, more.means.meter.name) == ("emulated", "roofline")


@pytest.mark.parametrize(
    ("asked", "made", "reason"),
    [
        ({"target": "rk3588"}, "so", r"are for rpi5 \(1 thread\), not for rk3588 with 1: name models"),
        ({"threads": 2}, "so", r"are for rpi5 \(1 thread\), not for rpi5 with 2: name models"),
        (
            {"runner": "roofline"},
            "so",
            r"of code predicted for rpi5 \(1 thread\), and not of what is asked: name models",
        ),
        ({"target": "host", "threads": None}, "so", "and not of what is asked: name models"),
        ({"input": "64x64"}, "so", "leave --input out"),
        ({}, "by others", "bench comes with 1 latency for rpi5 with 1 thread, which would come out otherwise today"),
    ],
)
def test_all_of_a_table_is_nothing_where_it_has_no_row(asked, made, reason, tmp_path):
    table = _table(tmp_path / "table.parquet", made_by(_means()) if made == "so" else made, "test_resnet")
    with pytest.raises(UsageError, match=reason):
        models_of_table(Request(**{"target": "rpi5", "threads": 1, **asked}), table)


def test_a_refusal_names_each_target_once_and_where_it_can_that_which_was_asked_for(tmp_path):
    table = _table(tmp_path / "table.parquet", made_by(_means()), "test_resnet")
    (row,) = read_table(table)
    write_table([row, replace(row, threads=4), replace(row, target="rk3588")], table)
    with pytest.raises(UsageError, match=r"are for rpi5 \(1 or 4 threads\), not for rpi5 with 2"):
        models_of_table(Request(target="rpi5", threads=2), table)
    with pytest.raises(UsageError, match=r"are for rk3588 \(1 thread\), rpi5 \(1 or 4 threads\), not for vim3 with 1"):
        models_of_table(Request(target="vim3", threads=1), table)


def test_whatever_a_prediction_follows_from_makes_another_row(monkeypatch):
    target = get_processor("rpi5")
    faster = replace(target, clock_ghz=2.8)
    others = [
        _means("rk3588"),
        _means(threads=4),
        Means(TOOLCHAINS["tvm"], METERS["emulated"], RunOptions(faster, 1)),
        Means(TOOLCHAINS["tvm"], METERS["emulated"], RunOptions(replace(target, l2_bytes=2**20), 1)),
    ]
    makers = [made_by(means) for means in (_means(), *others)]
    monkeypatch.setattr(shipped, "_sources", lambda architecture: "other sources")
    makers.append(made_by(_means()))
    assert None not in makers
    assert len(set(makers)) == len(makers)


def test_where_a_figure_is_from_makes_no_other_row():
    means = _means()
    elsewhere = replace(means.options, target=replace(means.options.target, sources={"clock_ghz": "a new source"}))
    assert made_by(replace(means, options=elsewhere)) == made_by(means)


def test_what_is_not_predicted_from_untuned_code_has_no_rows():
    means = _means()
    assert made_by(replace(means, meter=METERS["roofline"])) is None
    assert made_by(replace(means, meter=METERS["rpc"])) is None
    assert made_by(_means(tuned={"kernel": "trace"})) is None


@pytest.mark.long
@pytest.mark.compiles
@pytest.mark.emulates
def test_rows_of_the_table_come_out_the_same_today():
    means = _means(threads=4)
    if not TABLE.is_file() or emulator_obstacle(means.options.target):
        pytest.skip("no table comes with this version, or no QEMU can be had")
    rows = [KnownLatency(**row) for row in valid_rows(means)]
    if not rows:
        pytest.skip("the table is of other rules and models: benchmarks/shipped.py makes it anew")
    for row in sorted(rows, key=lambda row: row.macs)[:3]:
        found = profile_network(Job(row.network_id, row.network, 0, 1), means)
        # Which kernels are counted in one run of the emulator decides where their constants lie.
        assert found["latency"].median_ms == pytest.approx(row.latency_ms, rel=1e-2)
        assert (found["cost"].macs, found["cost"].params) == (row.macs, row.params)


@pytest.mark.long
@pytest.mark.compiles
@pytest.mark.emulates
def test_rows_that_are_made_together_agree_with_those_that_are_made_alone(tmp_path, monkeypatch):
    everywhere = [_means(name) for name in ("rk3588", "rk3399", "rpi5", "rpi4")]
    if any(emulator_obstacle(means.options.target) for means in everywhere):
        pytest.skip("no QEMU can be had")
    network = known_network("test_resnet")
    facts = write_part(facts_of(network))

    def with_nothing_kept(name: str) -> None:
        for module in (kernel_cache, store):
            monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / name)

    with_nothing_kept("together")
    together = list(make_rows(network, everywhere))
    assert {row.target for _, row in together} == {"rk3588", "rk3399", "rpi5", "rpi4"}
    for means, row in together:
        with_nothing_kept(row.target)
        found = profile_network(Job(facts["id"], facts["text"], 0, 1), means)
        alone = KnownLatency.of(facts, str(network.signature), found["cost"], found["latency"], made_by(means) or "")
        # A board that has some of another's kernels compiles the others in other company, and their constants move.
        assert row.agrees(alone)
        assert (row.network_id, row.target, row.made_by) == (alone.network_id, alone.target, alone.made_by)


@pytest.mark.parametrize(("ratio", "agrees"), [(1.0, True), (1.009, True), (0.98, False)])
def test_rows_agree_up_to_a_hundredth(ratio, agrees, tmp_path):
    (row,) = read_table(_table(tmp_path / "table.parquet", "somebody", "test_resnet"))
    assert row.agrees(replace(row, latency_ms=ratio * row.latency_ms)) == agrees
    assert not row.agrees(replace(row, macs=row.macs + 1))
    assert not row.agrees(replace(row, high_ms=20.0))


def test_stale_rows_are_taken_over_where_those_made_anew_agree_and_else_go(tmp_path):
    stale = read_table(_table(tmp_path / "table.parquet", "before", "test_resnet", "test_vit", "resnet18"))
    anew = [replace(stale[1], made_by="now")]
    kept = taken_over(stale, anew, "now")
    assert {row.network_id: (row.made_by, row.confirmed) for row in kept} == {
        stale[0].network_id: ("now", 1),
        stale[1].network_id: ("now", 0),
        stale[2].network_id: ("now", 1),
    }
    other = [replace(anew[0], latency_ms=1.02 * anew[0].latency_ms)]
    assert taken_over(stale, other, "now") == other


def test_it_is_said_where_rows_were_taken_over(tmp_path):
    table, means = tmp_path / "table.parquet", _means()
    _table(table, made_by(means), "test_resnet")
    assert rows_made(means, table) == "made by the same rules and models"
    write_table([replace(row, confirmed=5) for row in read_table(table)], table)
    assert "because 5 drawn at random came out the same" in rows_made(means, table)


def test_a_table_is_read_as_it_was_written(tmp_path):
    table = _table(tmp_path / "table.parquet", "somebody", "test_resnet")
    (row,) = read_table(table)
    assert (row.network, row.input) == ("known_3x160x160/test_resnet.r160_in1k", "3x160x160")
    assert (row.latency_ms, row.macs, row.params, row.source) == (12.5, COST.macs, COST.params, "predicted")
    assert read_table(tmp_path / "none.parquet") == []


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ('"""Else."""\nx = 1  # why\n\n\ndef f():\n    """Else,\n\n    more."""\n    return """# a\n\nb"""\n', True),
        ('x = 2\ndef f():\n    return """# a\n\nb"""', False),
        ('x = 1\ndef f():\n    return """# a\nb"""', False),
    ],
)
def test_comments_and_docstrings_make_no_other_row(changed, same):
    source = '"""A module."""\n\nx = 1\ndef f():\n    """Docs."""\n    return """# a\n\nb"""  # here\n'
    assert (plain_source(changed) == plain_source(source)) == same
