"""A sweep on a Dask cluster of processes of their own, with its study in a PostgreSQL server."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Timer

import pytest

import blockfront
from blockfront import debian
from blockfront.errors import RunError
from blockfront.study.storage import list_studies
from blockfront.sweep.cluster import existing_cluster
from blockfront.sweep.pool import Pool, WorkerCall
from tests.conftest import wait_until

PATIENCE = 120
PACKAGES = ("postgresql-15", "libpq5", "libicu72", "libxml2", "libldap-2.5-0", "libsasl2-2")
pytestmark = [pytest.mark.processes, pytest.mark.long]


def _programs(folder: Path) -> tuple[Path, dict[str, str]]:
    """Where `initdb` and `postgres` are, and the variables they need: installed, or fetched from Debian."""
    if (installed := shutil.which("initdb")) and shutil.which("postgres", path=str(Path(installed).parent)):
        return Path(installed).parent, {}
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
    if machine is None:
        pytest.skip("PostgreSQL is fetched for x86-64 and Arm alone")
    try:
        debian.unpack(PACKAGES, machine, folder)
    except RunError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    (programs,) = folder.glob("usr/lib/postgresql/*/bin")
    return programs, {"LD_LIBRARY_PATH": ":".join(map(str, folder.glob("usr/lib/*-linux-gnu")))}


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a server that this module starts, reached by a socket file alone."""
    pytest.importorskip("psycopg2", reason="psycopg2 is what SQLAlchemy reaches PostgreSQL by")
    # Not in pytest's folder, which no other user may enter; the server refuses to run as root.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs, variables = _programs(folder / "programs")
        root = os.geteuid() == 0
        user = "nobody" if root else pwd.getpwuid(os.geteuid()).pw_name
        who = {"env": {**os.environ, **variables}, **({"user": user} if root else {})}
        data = folder / "data"
        data.mkdir()
        for path in (folder, data):
            shutil.chown(path, user)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"], cwd=folder, **quiet, **who
        )
        assert made.returncode == 0, made.stderr
        call = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        with subprocess.Popen(call, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who) as server:
            try:
                wait_until((folder / ".s.PGSQL.5432").exists)
                yield f"postgresql+psycopg2://bench@/postgres?host={folder}"
            finally:
                server.send_signal(signal.SIGINT)
                server.wait(PATIENCE)


@contextmanager
def _dask(folder: Path, *words: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (folder / f"{words[0]}.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "dask", *words, "--no-dashboard"],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            # With what it started.
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _scheduler(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A scheduler on loopback and its address."""
    where = folder / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(where))
    with _dask(folder, "scheduler", *options) as process:
        wait_until(where.exists)
        yield process, json.loads(where.read_text())["address"]


@pytest.fixture
def cluster(tmp_path) -> Iterator[str]:
    """The address of a scheduler with two workers, each with a cache and a folder of its own."""
    with ExitStack() as stack:
        _, address = stack.enter_context(_scheduler(tmp_path))
        for name in ("one", "two"):
            own = tmp_path / name
            own.mkdir()
            options = ("--nworkers", "1", "--nthreads", "1", "--resources", "measure=1", "--local-directory", str(own))
            stack.enter_context(_dask(own, "worker", address, *options, BENCH_CACHE=str(own / "cache")))
        wait_until(lambda: _workers(address) == 2)
        yield address


def _workers(address: str) -> int:
    from distributed import Client

    with Client(address, timeout=10, set_as_default=False) as client:
        return len(client.nthreads())


def test_a_sweep_there_gives_the_rows_of_one_here_and_a_killed_one_goes_on(commands, finished, postgres, cluster):
    options = ("--storage", postgres, "--scheduler", cluster)
    with commands.start(*commands.sampling(finished.n, *options)) as process:
        wait_until(lambda: _latencies(postgres) > 0 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = commands.sample(finished.n, *options)
    assert done.returncode == 0, done.stderr
    rows = blockfront.load(finished.study, postgres)
    undisturbed = blockfront.load(finished.study, finished.commands.storage)
    for column in ("network_id", "state", "latency_ms", "top1", "macs", "params"):
        assert list(rows[column]) == list(undisturbed[column]), column
    (listed,) = list_studies(postgres)
    assert (listed["study"], listed["complete"]) == (finished.study, finished.n)


def test_a_scheduler_that_goes_away_is_told_in_a_line_that_says_what_to_do(tmp_path):
    one_worker = ("--nworkers", "1", "--nthreads", "1")
    with _scheduler(tmp_path) as (scheduler, address), _dask(tmp_path, "worker", address, *one_worker):
        wait_until(lambda: _workers(address) == 1)
        kill = partial(os.killpg, scheduler.pid, signal.SIGKILL)
        said = pytest.raises(
            RunError, match=f"scheduler at {address} went away; what was finished is kept, so start it"
        )
        with said, existing_cluster(address, measures=False) as client:
            Timer(3, kill).start()
            list(Pool(client, 1).run([WorkerCall(0, time.sleep, (PATIENCE,))], PATIENCE))


def _latencies(storage: str) -> int:
    try:
        return int(blockfront.load("tiny-rk3399", storage)["latency_ms"].notna().sum())
    except ValueError:  # There is no study yet.
        return 0
