"""The cores whose models are known: one entry a core, used by every board that has it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.prediction.core_model import CoreModel

FILE = Path(__file__).with_name("core_models.json")
"""The models as the fit wrote them."""
TWINS = {
    "cortex-a35": "cortex-a53",
    "cortex-a75": "cortex-a73",
    "cortex-a77": "cortex-a76",
    "cortex-a78": "cortex-a76",
    "cortex-a78ae": "cortex-a76",
}
"""Cores that use the model of another."""


@cache
def core_models(*, int8: bool = False) -> dict[str, CoreModel]:
    """Every model of code in floating point, or of that in int8, by LLVM's name of its core."""
    models = msgspec.json.decode(FILE.read_bytes(), type=list[CoreModel])
    return {model.core: model for model in models if model.int8 == int8}


REGION_US = 1.0
"""What a parallel region costs, fitted to published times of four threads: 0.4 to 5 µs (docs/prediction.md)."""


def as_predicted(target: Target) -> Target:
    """The target with what a parallel region costs; the catalogue has what starting a kernel takes at most."""
    return replace(target, launch_us=REGION_US)


def model_name(target: Target) -> str:
    """Under which name the model of the target's core would be kept: LLVM's name of the core, or of a twin."""
    core = str(target.tvm_target.get("mcpu", ""))
    return TWINS.get(core, core)


def core_model(target: Target, *, int8: bool = False) -> CoreModel | None:
    """The model of the target's core; None when there is none."""
    return core_models(int8=int8).get(model_name(target))
