"""Kernels that tests compile are cached in a folder of their own, which goes when the tests end; real boards."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hypothesis
import psutil
import pytest

from blockfront.board.sockets import format_address, listen
from blockfront.board.tracker import read_summary

pytest_plugins = ["tests.lanes"]

# How long an example takes says how busy the machine is; the same examples every time, but for who looks for new ones.
hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# What a board has: Python, TVM and no more of what bench needs elsewhere.
LIGHT = """
import sys
absent = "torch torchvision timm typer rich optuna msgspec psutil cloudpickle tornado pandas dask distributed packaging"
sys.modules.update(dict.fromkeys(absent.split()))
"""
TRACKER = """
import signal, sys
sys.modules["torch"] = None  # TVM would import it, for seconds
from blockfront.board.tracker import run_tracker
signal.signal(signal.SIGTERM, signal.default_int_handler)
run_tracker("127.0.0.1", int(sys.argv[1]))
"""
SERVER = f"""
{LIGHT}
import time, tvm_ffi
tvm_ffi.register_global_func("test.sleep", time.sleep)
from blockfront.board.server import main
sys.exit(main(sys.argv[1:]))
"""


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return  # A worker of pytest-xdist shares what the process that started it has.
    # A schedule rule that fails is a bug: it ends the test, here and in the processes that a test starts.
    os.environ["BENCH_DEBUG"] = "1"
    # No test downloads data: one that trains names what on.
    os.environ["BENCH_OFFLINE"] = "1"
    from blockfront.content_store import cache_folder

    # What boards in software take is downloaded once, into the user's own cache folder.
    downloads = cache_folder() / "emulation"
    downloads.mkdir(parents=True, exist_ok=True)
    config.cache_of_tests = tempfile.TemporaryDirectory(prefix="bench-tests-")
    os.environ["BENCH_CACHE"] = config.cache_of_tests.name
    Path(config.cache_of_tests.name, "emulation").symlink_to(downloads, target_is_directory=True)


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        config.cache_of_tests.cleanup()


class Tracker:
    """A real tracker on loopback, and real servers of this machine as its boards."""

    def __init__(self, stack: ExitStack, folder):
        self._stack = stack
        self._folder = folder
        with listen("127.0.0.1", range(1)) as listener:
            self._parsed = listener.getsockname()
        self.address = format_address(self._parsed)
        self.start()

    def start(self):
        self.process = self._start(TRACKER, str(self._parsed[1]))
        self.wait_for(0)

    def serve(self, key: str, name: str, *options: str, before: str = "") -> psutil.Process:
        """One more board; `before` is Python that its server runs first."""
        known = len(self.summary().devices.get(key, ()))
        process = self._start(before + SERVER, "--tracker", self.address, "--key", key, "--name", name, *options)
        self.wait_for(known + 1, key)
        return process

    def summary(self):
        return read_summary(self._parsed)

    def wait_for(self, devices: int, key: str = "", seconds: float = 180) -> None:
        """Until the tracker has that many devices of the key free."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.summary().free.get(key, 0) >= devices:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{devices} devices with key {key} did not come")

    def log(self, process: psutil.Process) -> str:
        return (self._folder / f"{process.pid}.log").read_text()

    def libraries(self, process: psutil.Process) -> dict[str, int]:
        """The libraries a board keeps, and which file each is."""
        (folder,) = Path(process.environ()["TMPDIR"]).glob("bench-board-*/libraries")
        return {path.name: path.stat().st_ino for path in folder.iterdir()}

    def _start(self, code: str, *arguments: str) -> psutil.Process:
        path = self._folder / "starting.log"
        environment = os.environ | {"TMPDIR": tempfile.mkdtemp(dir=self._folder)}
        with path.open("w") as log:
            call = [sys.executable, "-c", code, *arguments]
            process = subprocess.Popen(call, stdout=log, stderr=log, env=environment)
        path.rename(self._folder / f"{process.pid}.log")
        self._stack.callback(process.wait, timeout=20)
        self._stack.callback(end, psutil.Process(process.pid))
        return psutil.Process(process.pid)


def wait_until(reached, seconds: float = 120) -> None:
    """Until a function gives what is true."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def end(process: psutil.Process) -> None:
    """A process and what it started, at once."""
    try:
        for one in [process, *process.children(recursive=True)]:
            one.kill()
    except psutil.NoSuchProcess:
        pass


@pytest.fixture
def own_registries(monkeypatch):
    """Has registries that it is called with forget, when the test ends, what the test registers or loads."""

    def own(*registries):
        for registry in registries:
            monkeypatch.setattr(registry, "_items", dict(registry.items()))

    return own


@contextmanager
def _running(folder):
    with ExitStack() as stack:
        yield Tracker(stack, folder)


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    """A tracker for a module's tests; a test that breaks things serves under a key of its own."""
    with _running(tmp_path_factory.mktemp("boards")) as tracker:
        yield tracker


@pytest.fixture
def own_boards(tmp_path):
    """A tracker with nothing attached that a test may end."""
    with _running(tmp_path) as tracker:
        yield tracker


@pytest.fixture(scope="session")
def emulation():
    """All it takes to emulate an rk3399; tests are skipped where it cannot be had."""
    from blockfront.errors import RunError
    from blockfront.targets import get_target
    from blockfront.targets.latency.emulation import prepare_emulation

    try:
        return prepare_emulation(get_target("rk3399"))
    except RunError as error:
        pytest.skip(f"no board can be emulated here: {error}")


@pytest.fixture(scope="session")
def emulated_board(emulation):
    """Address of a tracker with one rk3399 in software."""
    from blockfront.targets.latency.emulation import emulated_boards, own_tracker

    tracker = own_tracker()
    with emulated_boards(emulation, tracker) as (board,):
        board.await_registration()
        yield format_address(tracker)
