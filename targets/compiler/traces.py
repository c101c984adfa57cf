"""Schedules as text: MetaSchedule's traces in JSON, which fit every kernel of the same structure."""

from __future__ import annotations

import json

import tvm
from tvm import tirx
from tvm.s_tir import SBlock, Schedule
from tvm.s_tir.schedule import Trace


def as_workload(function: tirx.PrimFunc) -> tvm.IRModule:
    """The kernel as `main` of a module, its blocks named by their order.

    A trace finds blocks by name, and kernels of one structure may have got different names in their networks.
    """
    schedule = Schedule(function)
    for i, handle in enumerate(schedule.get_child_blocks(schedule.get_sblock("root"))):
        old = schedule.get(handle)
        new = SBlock(
            old.iter_vars,
            old.reads,
            old.writes,
            f"block{i}",
            old.body,
            old.init,
            old.alloc_buffers,
            old.match_buffers,
            old.annotations,
        )
        schedule.state.replace(schedule.get_sref(handle), new, {old: new})
    return tvm.IRModule({"main": schedule.mod["main"].with_attr("global_symbol", "main")})


def trace_to_json(trace: Trace) -> str:
    """A trace with all its decisions."""
    return json.dumps(trace.as_json(), default=lambda number: number.value, separators=(",", ":"))


def apply_trace(function: tirx.PrimFunc, trace: str) -> Schedule:
    """The schedule that a trace makes of a kernel. Raises `ValueError` for a trace that does not fit it."""
    schedule = Schedule(as_workload(function))
    try:
        Trace.apply_json_to_schedule(json.loads(trace), schedule)
    except Exception as error:
        # TVM's errors are of many types, and what a file holds can provoke all of them.
        raise ValueError(f"a trace of the tuning database does not fit its kernel: {type(error).__name__}") from error
    return schedule
