"""What it takes to compare networks by a number and to show it to a person."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

MISSING = "—"


@dataclass(frozen=True)
class Metric:
    """What networks are compared by: `value * scale` is in `unit`; `digits` are significant, or decimals if `fixed`.

    `label` is the full name, `short` the one of table headers, `noun` what a sentence calls it, `superlative` the end
    of it that is wanted; each follows from the label where it is not given. `depends_on` says what a value holds for:
    one target and latency source, one data set, or the network alone. `interval` names the columns of both ends of a
    95 % interval. `counted` ones are shares of the test images, each right or wrong, which Wilson's interval is for.
    Only a network that finds boxes and was trained has a `found` one, which holds for one target.
    """

    key: str
    label: str
    unit: str
    direction: Literal["minimize", "maximize"]
    scale: float = 1.0
    digits: int = 3
    fixed: bool = False
    interval: tuple[str, str] | None = None
    depends_on: Literal["target", "dataset", ""] = ""
    short: str = ""
    noun: str = ""
    superlative: str = ""
    counted: bool = False
    found: bool = False

    def __post_init__(self) -> None:
        most = "least" if self.direction == "minimize" else "most"
        words = {"short": self.label, "noun": self.label, "superlative": f"{most} {self.label}"}
        for name, word in words.items():
            object.__setattr__(self, name, getattr(self, name) or word)

    @property
    def title(self) -> str:
        """Label and unit, as an axis or a table header shows them."""
        return f"{self.label} ({self.unit})"

    @property
    def sign(self) -> int:
        """1 where values are to be large, -1 where they are to be small."""
        return 1 if self.direction == "maximize" else -1

    @property
    def known_before_training(self) -> bool:
        """Whether a network has it once it is profiled."""
        return self.depends_on != "dataset" and not self.found

    @property
    def is_share(self) -> bool:
        """Whether values lie between 0 and 1 and are read as per cent."""
        return self.unit == "%"

    def number(self, value: float) -> str:
        """`value` in the metric's unit, without the unit; `MISSING` when it is missing."""
        if value is None or not math.isfinite(value):
            return MISSING
        scaled = value * self.scale
        decimals = self.digits
        if not self.fixed:
            magnitude = math.floor(math.log10(abs(scaled))) if scaled else 0
            decimals = max(0, self.digits - 1 - magnitude)
        return f"{scaled:,.{decimals}f}"

    def text(self, value: float) -> str:
        """`value` with its unit, such as `12.3 ms`."""
        number = self.number(value)
        return number if number == MISSING else f"{number} {self.unit}"


def share_of_images(key: str, label: str, short: str = "", noun: str = "", superlative: str = "") -> Metric:
    """The metric of a share of the test images, read as per cent, with the columns of its interval."""
    return Metric(
        key,
        label,
        "%",
        "maximize",
        scale=100,
        digits=1,
        fixed=True,
        short=short,
        noun=noun,
        superlative=superlative,
        counted=True,
    )
