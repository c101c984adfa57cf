"""An ML accelerator as a target: which model of it, at which clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from blockfront.errors import UsageError, unknown
from blockfront.python_file import is_file_reference, load_object
from blockfront.registry import Registry
from blockfront.targets.hardware.target import TARGETS, Target, get_target

SHIPPED = "zigzag:"
"""What the name of a file begins with that ZigZag's package brings, under its folder of inputs."""
OURS = "bench:"
"""The same for the few that the catalogue brings."""


@dataclass(frozen=True)
class Accelerator:
    """An accelerator that ZigZag models: nothing is compiled for it, networks are simulated layer by layer.

    `hardware` and `mapping` are YAML files as ZigZag takes them: the array and its memories, and how a layer's loops
    lie on the array. `zigzag:…` names a file of ZigZag's own, `bench:…` one of ours. The model counts cycles:
    `clock_ghz` makes times of them. Weights and activations have `bits` bits, partial sums twice as many. `loops`: into
    how many loops a layer is cut at most while the best order is searched for (ZigZag's `lpf_limit`, whose default is
    6). `sources` says where each figure is from.
    """

    name: str
    title: str
    hardware: str
    mapping: str
    clock_ghz: float
    bits: int = 8
    loops: int = 4
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UsageError(f"target name {self.name!r}: use lower-case letters, digits and underscores")
        for name in ("clock_ghz", "bits", "loops"):
            if not getattr(self, name) > 0:
                raise UsageError(f"target {self.name}: {name} must be positive, not {getattr(self, name)!r}")

    @property
    def precision(self) -> str:
        """Number format of weights and activations."""
        return f"int{self.bits}"

    def source_of(self, figure: str) -> str:
        """Where one of the figures is from; "not given" when `sources` does not say."""
        return next((text for names, text in self.sources.items() if figure in names.split(", ")), "not given")


ACCELERATORS: Registry[Accelerator] = Registry("accelerator")


def find_hardware(ref: str) -> Target | Accelerator:
    """The target or accelerator of that name, or `file.py:name` from the user's own file.

    Raises `UsageError` as `get_target` does; near names may be of either kind.
    """
    if is_file_reference(ref):
        found: Target | Accelerator = load_object(
            ref, lambda value: isinstance(value, Target | Accelerator), "Target or Accelerator"
        )
        return found
    if ref in ACCELERATORS:
        return ACCELERATORS[ref]
    if ref in TARGETS or ref == "cuda":
        return get_target(ref)
    raise unknown("target", ref, [*TARGETS, *ACCELERATORS])
