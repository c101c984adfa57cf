"""Sweeps that are killed, interrupted or run twice at once."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pandas as pd
import psutil
import pytest

import blockfront
from blockfront.errors import UsageError

STUDY = "tiny-rk3399"
PATIENCE = 180


def _rows(commands) -> pd.DataFrame:
    try:
        return blockfront.load(STUDY, commands.storage)
    except UsageError:
        return pd.DataFrame(columns=["latency_ms", "top1", "network_id"])


def _wait(commands, process, reached: Callable[[pd.DataFrame], bool]) -> pd.DataFrame:
    """Rows as soon as `reached` holds of them; the sweep must still be going on then."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        rows = _rows(commands)
        if reached(rows):
            return rows
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise AssertionError("the sweep did not get there")


def _trained(rows: pd.DataFrame) -> dict[str, float]:
    rows = rows[rows["top1"].notna()]
    return dict(zip(rows["network_id"], rows["train_seconds"], strict=True))


def _worker_processes(process) -> list[psutil.Process]:
    """What the fork server of a sweep has forked."""
    workers = []
    for child in psutil.Process(process.pid).children():
        # A sweep that has just finished leaves zombies, which have no command line.
        with suppress(psutil.NoSuchProcess):
            if "forkserver" in " ".join(child.cmdline()):
                workers += child.children()
    return workers


def test_a_killed_sweep_goes_on_where_it_was(commands, finished):
    moments = random.Random(15)
    trained: dict[str, float] = {}
    stages = (
        lambda rows: len(rows) > 0,
        lambda rows: rows["latency_ms"].notna().any(),
        lambda rows: rows["top1"].notna().any(),
    )
    for reached in stages:
        with commands.start(*commands.sampling(finished.n)) as process:
            workers = []
            _wait(commands, process, reached)
            time.sleep(moments.uniform(0, 1.5))
            workers = _worker_processes(process)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert alive == []
        now = _trained(_rows(commands))
        assert trained.items() <= now.items()
        trained = now

    assert commands.sample(finished.n).returncode == 0
    rows = _rows(commands)
    undisturbed = blockfront.load(finished.study, finished.commands.storage)
    assert list(rows["state"]) == ["complete"] * finished.n
    assert list(rows["network_id"]) == list(undisturbed["network_id"])
    assert list(rows["latency_ms"]) == list(undisturbed["latency_ms"])
    assert list(rows["top1"]) == list(undisturbed["top1"])
    assert trained.items() <= _trained(rows).items()


@pytest.mark.long
def test_workers_that_die_while_compiling_cost_nothing_but_time(commands, finished):
    n = 10  # Enough to be still at it when the first is seen.
    with commands.start(*commands.sampling(n, "--no-train")) as process:
        _wait(commands, process, lambda rows: rows["latency_ms"].notna().any())
        workers = _worker_processes(process)
        assert workers
        for worker in workers:
            worker.kill()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    rows = _rows(commands)
    undisturbed = blockfront.load(finished.study, finished.commands.storage)
    assert list(rows["state"]) == ["complete"] * n
    assert list(rows["latency_ms"])[: finished.n] == list(undisturbed["latency_ms"])
    assert rows["top1"].isna().all()


@pytest.mark.long
def test_an_interrupted_sweep_says_how_to_go_on(commands):
    with commands.start(*commands.sampling(40, "--quiet")) as process:
        # A first result: by then the workers are up and leave Ctrl-C to the orchestrator.
        _wait(commands, process, lambda rows: rows["latency_ms"].notna().any())
        workers = _worker_processes(process)
        for interrupted in (*workers, process):
            # A terminal sends Ctrl-C to the workers, too.
            interrupted.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.splitlines() == [
        "stopped; what is finished is kept, go on with: bench " + " ".join(commands.sampling(40, "--quiet"))
    ]
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert "running" in set(_rows(commands)["state"])


@pytest.mark.long
def test_a_second_sweep_of_the_same_study_is_refused_and_the_first_can_be_terminated(commands):
    with commands.start(*commands.sampling(40)) as first:
        _wait(commands, first, lambda rows: len(rows) > 0)
        second = commands.sample(40)
        assert second.returncode == 2
        assert f"is being run by process {first.pid}" in second.stderr
        first.terminate()
        assert "go on with: bench sample" in first.communicate(timeout=PATIENCE)[1]
    assert first.returncode == 130
    assert "running" in set(_rows(commands)["state"])
