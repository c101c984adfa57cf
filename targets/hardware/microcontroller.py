"""A microcontroller: a core without a system, and the flash and RAM that a network must fit in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from blockfront.errors import RunError
from blockfront.targets.hardware.target import Processor


@dataclass(frozen=True, kw_only=True)
class Microcontroller(Processor):
    """A Cortex-M, whose code and weights are in flash and run there, and all else in RAM.

    `flash_bytes` are at `flash_address`; `ram_bytes` at `ram_address` are the largest stretch of RAM, because a network
    works in one block. `vectors_address` is where the core looks for its first instruction. A network that takes more
    is refused: for memory outside the chip, describe a board of your own with it.
    """

    flash_address: int
    flash_bytes: int
    ram_address: int
    ram_bytes: int
    vectors_address: int

    positive: ClassVar[tuple[str, ...]] = (*Processor.positive, "flash_bytes", "ram_bytes")
    unemulated: ClassVar[str | None] = "it runs without Linux"
    only_bounded: ClassVar[str | None] = "the catalogue's figures of a microcontroller give a bound alone"
    serves: ClassVar[bool] = False

    def check_room(self, flash_bytes: int, ram_bytes: int) -> None:
        """Both must fit; raises `RunError` with what does not."""
        for kind, taken, there in (("flash", flash_bytes, self.flash_bytes), ("RAM", ram_bytes, self.ram_bytes)):
            if taken > there:
                raise RunError(f"the network takes at least {_kib(taken)} of {kind}, and {self.name} has {_kib(there)}")

    def figures(self) -> dict[str, tuple[object, str]]:
        """With its memories."""
        names = ("flash_bytes", "flash_address", "ram_bytes", "ram_address", "vectors_address")
        return super().figures() | {name: (getattr(self, name), self.source_of(name)) for name in names}


def _kib(size: int) -> str:
    return f"{size / 1024:,.0f} KiB"
