import os
import time

import psutil
import pytest

from blockfront.targets.tuning.processes import Failure, Processes

pytestmark = pytest.mark.processes


def test_results_come_in_the_order_of_the_calls():
    with Processes(2, 60) as processes:
        assert list(processes.map(pow, [(2, n) for n in range(7)])) == [2**n for n in range(7)]
        assert list(processes.map(divmod, [(7, 2)])) == [(3, 1)]
        assert list(processes.map(pow, [])) == []


def test_a_call_that_raises_crashes_or_hangs_costs_itself():
    with Processes(1, 2) as processes:
        assert list(processes.map(divmod, [(1, 0), (4, 2)])) == [
            Failure("ZeroDivisionError: integer division or modulo by zero"),
            (2, 0),
        ]
        assert list(processes.map(os._exit, [(3,)])) == [Failure("its process crashed")]
        assert list(processes.map(time.sleep, [(60,), (0,)])) == [Failure("took too long"), None]


def test_processes_end_with_the_context_whatever_they_are_doing():
    def interrupted():
        with Processes(2, 600) as processes:
            for _ in processes.map(time.sleep, [(0,), (600,), (600,), (600,)]):
                raise KeyboardInterrupt

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    left = [
        child
        for child in psutil.Process().children(recursive=True)
        if child not in before and "resource_tracker" not in " ".join(child.cmdline())
    ]
    assert left == []
