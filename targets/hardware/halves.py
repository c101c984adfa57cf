"""Whether a processor computes in float16, twice as many values at once as of float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blockfront.errors import UsageError
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.hardware.instruction_set import instruction_set
from blockfront.targets.hardware.integer import has_features

_FEATURES = {"aarch64": ("fullfp16",), "arm": ("mve.fp",), "x86_64": ("avx512fp16", "avx512vl")}
"""For each instruction set LLVM's features that float16 kernels need."""


def has_halves(tvm_target: Mapping[str, Any]) -> bool:
    """Whether kernels may compute in float16 on a processor."""
    features = _FEATURES.get(instruction_set(str(tvm_target.get("mtriple", ""))), ())
    return bool(features) and has_features(tvm_target, *features)


def require_float16(hardware: Hardware) -> None:
    """Raise `UsageError` with the reason where float16 networks are not compiled, before anything is."""
    machine = hardware.machine(1)
    if machine is None:
        raise UsageError(f"float16 networks are compiled for processors, and {hardware.name} is {hardware.described}")
    if not machine.halves:
        raise UsageError(
            f"{hardware.name} has no arithmetic that float16 kernels use (FP16 of Armv8.2-A, as a Cortex-A55 or A76 "
            "has, Helium's, or AVX512-FP16), so float16 would be slower than float32 on it: use --precision float32"
        )
