"""What a processor multiplies bytes with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import tvm
from tvm.target import codegen

from blockfront.errors import UsageError
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.hardware.instruction_set import instruction_set

_FEATURES = {
    "aarch64": (("sdot", ("dotprod",)), ("smull", ("neon",))),
    "arm": (("smull", ("neon",)), ("vmla", ("mve",)), ("smlad", ("dsp",))),
    "riscv64": (("vwmacc", ("v",)),),
    "x86_64": (("vpdpbusd", ("avx512vnni", "avx512vl")), ("vpdpbusd", ("avxvnni",)), ("pmaddwd", ("avx2",))),
}
"""For each instruction set its instructions, best first, and LLVM's features that a processor must have for one."""


def byte_products(tvm_target: Mapping[str, Any]) -> str | None:
    """The instruction that a processor multiplies bytes with, as `Machine` names it; None where it has none."""
    known = _FEATURES.get(instruction_set(str(tvm_target.get("mtriple", ""))), ())
    return next((name for name, features in known if has_features(tvm_target, *features)), None)


def has_features(tvm_target: Mapping[str, Any], *features: str) -> bool:
    """Whether code for a target may use all of LLVM's features; no GPU's may."""
    names = ("mtriple", "mcpu")
    if tvm_target["kind"] != "llvm":
        return False
    return _has(*(str(tvm_target.get(name, "")) for name in names), tuple(tvm_target.get("mattr", ())), features)


@cache
def _has(triple: str, cpu: str, attributes: tuple[str, ...], features: tuple[str, ...]) -> bool:
    described = {"kind": "llvm", "mtriple": triple, "mcpu": cpu, "mattr": list(attributes)}
    target = tvm.target.Target({name: value for name, value in described.items() if value})
    return bool(codegen.llvm_cpu_has_features(list(features), target))


def require_int8(hardware: Hardware) -> None:
    """Raise `UsageError` with the reason where int8 networks are not compiled, before anything is."""
    machine = hardware.machine(1)
    if machine is None:
        raise UsageError(f"int8 networks are compiled for processors, and {hardware.name} is {hardware.described}")
    if machine.byte_products is None:
        raise UsageError(
            f"{hardware.name} has no instruction that int8 kernels use (SDOT, SMULL, SMLAD or VMLA of Arm, VWMACC of "
            "RISC-V's vectors, VPDPBUSD or VPMADDWD of x86), so int8 would be slower than float32 on it: use "
            "--precision float32"
        )
