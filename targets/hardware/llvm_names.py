"""Whether LLVM knows what a target names: its own answer to an unknown name is other code, or a crash."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import tvm
from tvm.target import codegen

from blockfront.errors import UsageError, unknown
from blockfront.targets.hardware.instruction_set import instruction_set


def check_names(tvm_target: Mapping[str, Any]) -> None:
    """Raise `UsageError` for a triple, processor or feature that LLVM does not know."""
    triple, cpu = (str(tvm_target.get(name, "")) for name in ("mtriple", "mcpu"))
    _check(triple, cpu, tuple(tvm_target.get("mattr", ())))


@cache
def _check(triple: str, cpu: str, attributes: tuple[str, ...]) -> None:
    known = list(codegen.llvm_get_targets())
    if triple and instruction_set(triple) not in known:
        first = triple.partition("-")[0]
        raise unknown("instruction set", first, known, otherwise=f"mtriple {triple} begins with none that LLVM knows")
    described = {"kind": "llvm", **({"mtriple": triple} if triple else {})}
    if cpu:
        processors = list(codegen.llvm_get_cpu_archlist(tvm.target.Target(described)))
        if cpu not in processors:
            raise unknown(
                "mcpu", cpu, processors, otherwise=f"LLVM knows no such processor of {triple or 'this machine'}"
            )
        described["mcpu"] = cpu
    for attribute in attributes:
        name = attribute[1:]
        found = codegen.llvm_get_cpu_features(tvm.target.Target({**described, "mattr": [f"+{name}"]}))
        if attribute[:1] not in ("+", "-") or name not in found:
            raise UsageError(
                f"mattr {attribute!r} is no feature that LLVM knows of {triple}; write it as +NAME or -NAME"
            )
