"""Tasks on the embedded cluster: threads, crashes, limits."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from blockfront.errors import RunError
from blockfront.sweep import pool as pool_module
from blockfront.sweep.cluster import MEASURE, embedded_cluster
from blockfront.sweep.pool import Outcome, Pool, WorkerCall

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with embedded_cluster(1, 1, tvm_threads=2) as client:
        yield Pool(client, 1)


def _run(pool: Pool, *tasks: WorkerCall, limit_s: float = 60) -> dict[int, Outcome]:
    return {outcome.number: outcome for outcome in pool.run(tasks, limit_s)}


def test_results_come_back_under_their_number(pool):
    outcomes = _run(pool, *(WorkerCall(n, pow, (n, 2)) for n in range(5)))
    assert {number: outcome.result() for number, outcome in outcomes.items()} == {n: n * n for n in range(5)}


def test_an_exception_is_one_line_with_its_traceback(pool):
    outcomes = _run(pool, WorkerCall(0, json.loads, ("\n[",)), WorkerCall(1, int, ("7",)))
    assert outcomes[0].reason == "JSONDecodeError: Expecting value: line 2 column 2 (char 2)"
    assert "Traceback" in outcomes[0].traceback
    assert "decoder.py" in outcomes[0].traceback
    assert outcomes[1].result() == 7


def test_a_worker_that_crashes_again_and_again_fails_the_task_alone(pool):
    outcomes = _run(pool, WorkerCall(0, signal.raise_signal, (signal.SIGSEGV,)), WorkerCall(1, pow, (2, 3)))
    assert "worker process died" in outcomes[0].reason
    assert outcomes[1].result() == 8


def test_a_task_over_its_limit_fails_and_frees_its_worker(pool):
    outcomes = _run(pool, WorkerCall(0, time.sleep, (600,)), WorkerCall(1, pow, (2, 5)), limit_s=3)
    assert outcomes[0].reason == "took longer than its limit of 0.05 min"
    assert outcomes[1].result() == 32


def test_a_cluster_without_workers_is_told_and_no_task_is_blamed(monkeypatch):
    monkeypatch.setattr(pool_module, "_ALONE_SECONDS", 0.0)
    monkeypatch.setattr(pool_module, "_POLL_SECONDS", 0.01)
    with (
        embedded_cluster(0, 1) as client,
        pytest.raises(RunError, match=r"^the cluster has had no workers for 0 minutes: they ended"),
    ):
        _run(Pool(client, 1), WorkerCall(0, pow, (2, 3)), limit_s=0)


def test_a_measurement_waits_for_what_it_needs(pool):
    (needed,) = _run(pool, WorkerCall(0, pow, (3, 2))).values()
    outcome = pool.run_alone(WorkerCall(1, pow, (needed.future, 2)), 60, MEASURE, [needed.future])
    assert outcome.result() == 81


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OMP_NUM_THREADS", "1"),
        ("OPENBLAS_NUM_THREADS", "1"),
        ("MKL_NUM_THREADS", "1"),
        ("TVM_NUM_THREADS", "2"),
    ],
)
def test_thread_counts_of_a_worker_are_set_whatever_the_user_has(pool, variable, value):
    assert _run(pool, WorkerCall(0, os.getenv, (variable,)))[0].result() == value


def test_the_cluster_listens_on_loopback_behind_tls(pool):
    addresses = [pool.client.scheduler.address, *pool.client.scheduler_info()["workers"]]
    assert all(address.startswith("tls://127.0.0.1:") for address in addresses)


def test_every_port_of_the_cluster_is_on_loopback(pool):
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [c for process in processes for c in process.net_connections() if c.status == "LISTEN"]
    assert listening
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
    assert 8787 not in {connection.laddr.port for connection in listening}


def test_the_environment_of_the_caller_is_left_alone(pool, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with embedded_cluster(1, 1) as client:
        assert client.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
