"""An ML accelerator: which model of it, at which clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from blockfront.targets.hardware.hardware import WithoutThreads
from blockfront.targets.hardware.zigzag_files import (
    INSTALL,
    AcceleratorModel,
    Description,
    installed,
    load_model,
    read_description,
)


@dataclass(frozen=True)
class Accelerator(WithoutThreads):
    """An accelerator that ZigZag models: nothing is compiled for it, networks are simulated layer by layer.

    `hardware` and `mapping` are YAML files as ZigZag takes them: the array and its memories, and how a layer's loops
    lie on the array. `zigzag:…` names a file of ZigZag's own, `bench:…` one of ours. The model counts cycles:
    `clock_ghz` makes times of them. Weights and activations have `bits` bits, partial sums twice as many. `loops`: into
    how many loops a layer is cut at most while the best order is searched for (ZigZag's `lpf_limit`, whose default is
    6).
    """

    hardware: str
    mapping: str
    clock_ghz: float
    bits: int = 8
    loops: int = 4

    called: ClassVar[str] = "an accelerator that is simulated"
    described: ClassVar[str] = (
        "an accelerator, which networks are simulated on, not compiled for: bench sample, profile and compare take it"
    )
    positive: ClassVar[tuple[str, ...]] = ("clock_ghz", "bits", "loops")

    @property
    def precision(self) -> str:
        """Number format of weights and activations."""
        return f"int{self.bits}"

    def describe(self) -> Description:
        """Its files. Raises `UsageError` when ZigZag is not installed, and for what is wrong with them."""
        found = read_description(self.name, self.hardware, self.mapping)
        load_model(found, self.name)
        return found

    def peak(self, threads: int | None) -> tuple[float, float]:
        """Of the array, and what the outermost memory reads."""
        return self.peak_of(load_model(self.describe(), self.name))

    def peak_of(self, model: AcceleratorModel) -> tuple[float, float]:
        """The same by the model of files that were read before, perhaps on another machine."""
        return 2 * model.macs_per_cycle * self.clock_ghz, model.memory.read_bits / 8 * self.clock_ghz

    def figures(self) -> dict[str, tuple[object, str]]:
        """Its own; what its files say is known only where ZigZag is."""
        names = ("hardware", "mapping", "clock_ghz", "bits", "loops")
        known: dict[str, tuple[object, str]] = {name: (getattr(self, name), self.source_of(name)) for name in names}
        if installed():
            model = load_model(self.describe(), self.name)
            gbs = self.clock_ghz / 8
            known |= {
                "macs_per_cycle": (model.macs_per_cycle, "hardware file: size of the array"),
                "read_gbs": (model.memory.read_bits * gbs, "hardware file: outermost memory, at the clock"),
                "write_gbs": (model.memory.write_bits * gbs, "hardware file: outermost memory, at the clock"),
            }
        return known

    def row(self) -> dict[str, object]:
        """With the clock, and what it takes to simulate it."""
        remark = "simulated" if installed() else f"simulated; needs {INSTALL}"
        return super().row() | {"clock GHz": self.clock_ghz, "remark": remark}
