"""Which tests take time: a mark for each thing that does, and `fast` for tests that do none of them.

Fixtures say it for the tests that use them; other tests, or whole files, are marked by hand. A test that starts a
process without a mark fails, so that `pytest -m fast` stays fast: one to two minutes on two cores. `long` is one more
mark, by hand: `pytest` leaves those out, to take less than a quarter of an hour, and `pytest -m long` runs them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import pytest

MARKS = {
    "compiles": "compiles networks",
    "emulates": "runs code under QEMU",
    "processes": "starts processes",
    "browser": "opens a browser",
}
FIXTURES = {
    "compiles": {"board_program", "host_program"},
    "emulates": {"emulated_board", "emulation", "emulators"},
    "processes": {"boards", "commands", "commands_in", "finished", "own_boards", "tracker"},
    "browser": {"browser"},
}
STARTS = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty")
"""Python's audit events of a process that starts another."""

_started: list[str] = []
"""What the test that runs now has started. Compiling does: kernels are linked by a process."""


def pytest_configure(config: pytest.Config) -> None:
    for name, does in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {does}")
    config.addinivalue_line("markers", "long: takes long or repeats what others show, in CI's longer run")
    config.addinivalue_line("markers", "fast: does none of these; given to whatever has no other mark")
    sys.addaudithook(_audit)
    start = BaseProcess.start

    def started(process: BaseProcess) -> None:
        _started.append(process.name)  # There is no audit event of these.
        start(process)

    BaseProcess.start = started  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark, fixtures in FIXTURES.items():
            if fixtures.intersection(getattr(item, "fixturenames", ())):
                item.add_marker(mark)
        if not any(item.get_closest_marker(mark) for mark in MARKS):
            item.add_marker("fast")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _started.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield
    if _started and item.get_closest_marker("fast"):
        marks = ", ".join(MARKS)
        pytest.fail(f"a test without a mark starts {_started[0]}: give it, or its file, one of {marks}", pytrace=False)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS:
        _started.append(str(arguments[0]) if arguments else event)
