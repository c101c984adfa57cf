import json

import pytest
import tvm

from blockfront.targets.compiler.kernels import structure_of
from blockfront.targets.compiler.traces import apply_trace, as_workload


def renamed(function):
    """The same kernel as another network would name its blocks and buffers."""
    return tvm.ir.load_json(tvm.ir.save_json(function).replace("conv2d_nhwc", "another").replace("T_add", "plus"))


@pytest.mark.compiles
def test_a_trace_fits_a_kernel_of_the_same_structure_with_other_names(task, trace):
    other = renamed(task.function)
    assert "another" in other.script()
    assert structure_of(other) == structure_of(task.function)
    ours, theirs = (apply_trace(function, trace).mod["main"] for function in (task.function, other))
    assert structure_of(ours) == structure_of(theirs) != structure_of(task.function)


def test_a_workload_is_the_same_kernel(task):
    assert structure_of(as_workload(task.function)["main"]) == structure_of(task.function)


@pytest.mark.parametrize("damage", ["", "[[]]", "{}", "not JSON", '[[["NoSuchStep",[],[],[]]],[]]'])
def test_a_damaged_trace_is_refused_in_one_line(task, damage):
    with pytest.raises(ValueError, match="does not fit its kernel") as caught:
        apply_trace(task.function, damage)
    assert "\n" not in str(caught.value)


def test_a_trace_of_another_kernel_is_refused(task, trace):
    steps, decisions = json.loads(trace)
    steps[0][2][0] = "no such block"
    with pytest.raises(ValueError, match="does not fit its kernel"):
        apply_trace(task.function, json.dumps([steps, decisions]))
