"""TVM's schedule without the checks of argument types that its methods do in Python.

They take as long as scheduling itself. Tried with apache-tvm 0.27.0.post1, where a decorator puts them around each
method and leaves the method in its `__wrapped__`; a version without that decorator leaves nothing to take off.
"""

from __future__ import annotations

from tvm.s_tir import Schedule


class UncheckedSchedule(Schedule):
    """A schedule that trusts its callers: a wrong type of argument fails where TVM uses it, not in the call."""


for _name, _method in vars(Schedule).items():
    if hasattr(_method, "__wrapped__"):
        setattr(UncheckedSchedule, _name, _method.__wrapped__)
