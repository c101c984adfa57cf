import pytest
import tvm
from tvm.script import tirx as T

from blockfront.targets import METERS, RunOptions
from blockfront.targets.tuning.candidates import open_candidates
from blockfront.targets.tuning.processes import Failure

pytestmark = pytest.mark.processes

ARGUMENTS = (("float32", (16,)),)


@T.prim_func(s_tir=True)
def doubles(a: T.Buffer((16,), "float32")):
    for i in range(16):
        a[i] = a[i] * T.float32(2)


@T.prim_func(s_tir=True)
def crashes(a: T.Buffer((16,), "float32"), far: T.Buffer((1,), "float32")):
    a[T.int64(1000000000000)] = far[0]


@T.prim_func(s_tir=True)
def hangs(a: T.Buffer((16,), "float32")):
    while a[0] < T.float32(1):
        a[0] = a[0] * T.float32(0.5)


@pytest.mark.long
def test_a_candidate_that_crashes_or_hangs_costs_itself(host):
    options = RunOptions(target=host, threads=1, timeout_s=5)
    modules = [tvm.IRModule({"main": function}) for function in (crashes, hangs, doubles)]
    with open_candidates(METERS["local"], options, 1) as candidates:
        crashed, hung, measured = candidates.measure(modules, ARGUMENTS)
    assert crashed == Failure("its process crashed")
    assert hung == Failure("took too long")
    assert min(measured) > 0
