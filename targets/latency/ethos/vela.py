"""Arm's compiler in a process of its own, and what it says of a network."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blockfront.errors import RunError
from blockfront.targets.hardware.ethos import EthosU

LIMIT_S = 600.0
"""How long the compiler may take for a network; a second is usual."""
_ON_PROCESSOR = "CPU"
_KIB = 1024
_BUSY = {"NPU": "NPU", "SRAM": "SRAM AC", "DRAM": "DRAM AC", "on-chip flash": "OnFlash AC", "flash": "OffFlash AC"}
"""Columns of the cycles that each is busy."""


@dataclass(frozen=True)
class VelaOperator:
    """What one operator of the file takes, all parts that the compiler made of it together.

    `operators` are the compiler's, such as `Conv2D + LUT`; `longest` is what takes most cycles of it, the NPU itself or
    a memory.
    """

    name: str
    operators: str
    parts: int
    cycles: int
    longest: str
    macs: int


@dataclass(frozen=True)
class VelaEstimate:
    """Cycles of a network: of the NPU's own work, and with what it waits for memory.

    `fallbacks` are the operators that are left to the processor, whose time nobody estimates: the tensor that each
    gives, and its name. `sram_bytes` and `other_bytes` are what the network takes of SRAM, and of flash or DRAM.
    """

    npu_cycles: int
    total_cycles: int
    clock_ghz: float
    sram_bytes: int
    other_bytes: int
    layers: tuple[VelaOperator, ...]
    fallbacks: tuple[tuple[str, str], ...]


def estimate(content: bytes, target: EthosU) -> VelaEstimate:
    """What vela says of a `.tflite` file. Raises `RunError` with what it complains of."""
    with tempfile.TemporaryDirectory(prefix="bench-vela-") as name:
        folder = Path(name)
        (folder / "network.tflite").write_bytes(content)
        # A relative path of two parts is one of vela's own to it.
        own = Path(target.file)
        options = {
            "accelerator-config": target.configuration,
            "config": str(own.resolve() if own.is_file() else target.file),
            "system-config": target.system_config,
            "memory-mode": target.memory_mode,
            "output-dir": str(folder),
        }
        command = [sys.executable, "-m", "ethosu.vela", str(folder / "network.tflite"), "--verbose-performance"]
        command += [word for option, value in options.items() for word in (f"--{option}", value)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, errors="replace")
        except subprocess.TimeoutExpired:
            raise RunError(f"vela has not answered for {LIMIT_S:g} s") from None
        layers, summary = folder / "network_per-layer.csv", folder / f"network_summary_{target.system_config}.csv"
        if done.returncode or not (layers.exists() and summary.exists()):
            said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"]
            raise RunError(f"vela ended with exit code {done.returncode}: {said[-1][:300]}")
        with summary.open(newline="") as totals, layers.open(newline="") as rows:
            return _read(next(csv.DictReader(totals)), csv.DictReader(rows))


def _read(totals: Mapping[str, str], rows: Iterable[Mapping[str, str]]) -> VelaEstimate:
    parts: dict[str, list[Mapping[str, str]]] = {}
    fallbacks = []
    for row in rows:
        if row["Target"] == _ON_PROCESSOR:
            fallbacks.append((row["Name"].strip(), row["Original Operator"]))
        else:
            parts.setdefault(row["Name"].strip(), []).append(row)
    others = ("dram", "on_chip_flash", "off_chip_flash")
    return VelaEstimate(
        npu_cycles=int(totals["cycles_npu"]),
        total_cycles=int(totals["cycles_total"]),
        clock_ghz=float(totals["core_clock"]) / 1e9,
        sram_bytes=_used(totals, "sram"),
        other_bytes=sum(_used(totals, area) for area in others),
        layers=tuple(_layer(name, found) for name, found in parts.items()),
        fallbacks=tuple(fallbacks),
    )


def _used(totals: Mapping[str, str], area: str) -> int:
    return round(float(totals[f"{area}_memory_used"]) * _KIB)


def _layer(name: str, parts: list[Mapping[str, str]]) -> VelaOperator:
    operators = dict.fromkeys(row["NNG Operator"] for row in parts)

    def total(column: str) -> int:
        return sum(int(row[column]) for row in parts)

    # Operators that are applied by the one before them have no cycles of their own.
    calls = sum(int(row["Op Cycles"]) > 0 for row in parts)
    longest = max(_BUSY, key=lambda what: total(_BUSY[what]))
    return VelaOperator(name, " + ".join(operators), calls, total("Op Cycles"), longest, total("MAC Count"))
