"""The cores whose models are known: one entry a core, used by every board that has it."""

from __future__ import annotations

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
def core_models() -> dict[str, CoreModel]:
    """Every model by LLVM's name of its core."""
    return {model.core: model for model in msgspec.json.decode(FILE.read_bytes(), type=list[CoreModel])}


def model_name(target: Target) -> str:
    """Under which name the model of the target's core would be kept: LLVM's name of the core, or of a twin."""
    core = str(target.tvm_target.get("mcpu", ""))
    return TWINS.get(core, core)


def core_model(target: Target) -> CoreModel | None:
    """The model of the target's core; None when there is none."""
    return core_models().get(model_name(target))
