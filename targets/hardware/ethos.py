"""An Arm Ethos-U NPU: which configuration, in which system."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.targets.hardware.hardware import WithoutThreads

INSTALL_VELA = "pip install ethos-u-vela ai-edge-litert"
"""What brings Arm's compiler and the interpreter that checks its files: the packages of the extra `ethos`."""
ARM_FILE = "Arm/vela.ini"
"""The systems that Arm's compiler brings."""


@dataclass(frozen=True)
class EthosU(WithoutThreads):
    """An NPU that Arm's compiler, vela, makes networks ready for and estimates the cycles of.

    `configuration` is vela's name of it, such as `ethos-u55-128`, which ends with its multiply-adds a cycle.
    `system_config` and `memory_mode` are sections of `file`, an .ini that vela takes: clock and memories, and what lies
    in which; they change cycles several times over. `clock_ghz` and the bandwidth of its SRAM in 10⁹ bytes a second
    are those of the system.
    """

    configuration: str
    system_config: str
    memory_mode: str
    clock_ghz: float
    sram_gbs: float
    file: str = ARM_FILE

    called: ClassVar[str] = "an NPU"
    described: ClassVar[str] = (
        "an NPU whose vendor's compiler estimates its cycles; nothing is run: bench sample, profile and compare take it"
    )
    positive: ClassVar[tuple[str, ...]] = ("clock_ghz", "sram_gbs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.configuration.rpartition("-")[2].isdecimal():
            raise UsageError(f"target {self.name}: configuration {self.configuration!r} ends with no number of MACs")

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-adds of 8 bits."""
        return int(self.configuration.rpartition("-")[2])

    @property
    def system(self) -> str:
        """The system in words."""
        return f"{self.system_config}, {self.memory_mode}"

    def peak(self, threads: int | None) -> tuple[float, float]:
        """Of its multiply-adders, and of its SRAM."""
        return 2 * self.macs_per_cycle * self.clock_ghz, self.sram_gbs

    def figures(self) -> dict[str, tuple[object, str]]:
        """Its own."""
        names = ("configuration", "system_config", "memory_mode", "file", "clock_ghz", "sram_gbs")
        return {name: (getattr(self, name), self.source_of(name)) for name in names}

    def definition(self) -> dict[str, Any]:
        """With what a file of the user's own holds."""
        file = Path(self.file)
        return super().definition() | ({"file_digest": digest(file.read_bytes())} if file.is_file() else {})

    def row(self) -> dict[str, object]:
        """With the clock and the system."""
        lacks = "" if vela_installed() else f"; needs {INSTALL_VELA}"
        return super().row() | {"clock GHz": self.clock_ghz, "remark": f"estimated, {self.system}{lacks}"}


def vela_installed() -> bool:
    """Whether vela and LiteRT are here."""
    return all(find_spec(name) for name in ("ethosu", "ai_edge_litert"))
