"""What Linux tells of a processor: its cores, and their governor, frequency, temperature and throttling now."""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockfront.files import stripped_text

ROOT = Path("/")
"""Where /sys and /proc are."""

# Linux, arch/arm64/include/asm/cputype.h and arch/arm/include/asm/cputype.h: part numbers of Arm's own cores.
_ARM = 0x41
_ARM_PARTS = {
    0xC07: "Cortex-A7",
    0xC08: "Cortex-A8",
    0xC09: "Cortex-A9",
    0xC0F: "Cortex-A15",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD0D: "Cortex-A77",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD44: "Cortex-X1",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD48: "Cortex-X2",
    0xD4D: "Cortex-A715",
    0xD4E: "Cortex-X3",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
}
# Raspberry Pi documentation, `vcgencmd get_throttled`: the bits that speak of now.
_RASPBERRY_PI = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_FIRMWARE = "sys/devices/platform/soc*/*firmware/get_throttled"


@dataclass(frozen=True)
class Cpu:
    """One core: its number, what it is called, and its highest frequency in MHz where Linux tells."""

    cpu: int
    part: str
    max_mhz: float | None


@dataclass(frozen=True)
class State:
    """A processor at one moment, as far as Linux tells.

    `governors` and `mhz` are by core number as text; `temperatures` (°C) by the name of their sensor; `throttled`
    says why cores are held back, empty when they are not, None when the system has no way to tell.
    """

    governors: dict[str, str]
    mhz: dict[str, float]
    temperatures: dict[str, float]
    throttled: tuple[str, ...] | None

    @property
    def temperature(self) -> float | None:
        """The highest of the temperatures in °C."""
        return max(self.temperatures.values(), default=None)


def read_cores(root: Path = ROOT) -> tuple[Cpu, ...]:
    """The cores that are switched on."""
    parts = _parts(root)
    return tuple(
        Cpu(cpu, parts.get(cpu, platform.machine()), _mhz(root, cpu, "cpuinfo_max_freq")) for cpu in _online(root)
    )


def read_state(root: Path = ROOT) -> State:
    """Governors, frequencies, temperatures and throttling now."""
    cpus = _online(root)
    governors = {str(cpu): stripped_text(_cpufreq(root, cpu) / "scaling_governor") for cpu in cpus}
    speeds = {str(cpu): _mhz(root, cpu, "scaling_cur_freq") for cpu in cpus}
    return State(
        governors={cpu: governor for cpu, governor in governors.items() if governor},
        mhz={cpu: mhz for cpu, mhz in speeds.items() if mhz is not None},
        temperatures=_temperatures(root),
        throttled=_throttled(root),
    )


def conditions(state: State, cpus: Sequence[int]) -> dict[str, str]:
    """The state of some cores as labelled text; a label is missing where the system does not tell."""
    chosen = [str(cpu) for cpu in cpus]
    found = {
        "governor": _distinct(state.governors[cpu] for cpu in chosen if cpu in state.governors),
        "frequency MHz": _distinct(f"{state.mhz[cpu]:.0f}" for cpu in chosen if cpu in state.mhz),
        "temperature °C": "" if state.temperature is None else f"{state.temperature:.1f}",
        "throttled": "" if state.throttled is None else ", ".join(state.throttled) or "no",
    }
    return {label: text for label, text in found.items() if text}


def architecture() -> str:
    """The architecture this Python runs on; a 32-bit system on a 64-bit kernel counts as what it is."""
    name = platform.machine().lower()
    return "armv7l" if name == "aarch64" and struct.calcsize("P") == 4 else name


def model(root: Path = ROOT) -> str:
    """What the board is called, from its device tree; empty where there is none."""
    return stripped_text(root / "proc/device-tree/model").rstrip("\0")


def memory_bytes(root: Path = ROOT) -> int:
    """Memory that a program may take now; 0 when the system does not tell."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", stripped_text(root / "proc/meminfo"), re.MULTILINE)
    return 1024 * int(found.group(1)) if found else 0


def _distinct(values: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _online(root: Path) -> list[int]:
    cpus: list[int] = []
    for part in stripped_text(root / "sys/devices/system/cpu/online").split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            cpus += range(int(first), int(last or first) + 1)
    return cpus or list(range(os.cpu_count() or 1))


def _cpufreq(root: Path, cpu: int) -> Path:
    return root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq"


def _mhz(root: Path, cpu: int, name: str) -> float | None:
    khz = stripped_text(_cpufreq(root, cpu) / name)
    return int(khz) / 1000 if khz.isdigit() else None


def _parts(root: Path) -> dict[int, str]:
    """Core number to name, from /proc/cpuinfo: a part number on Arm, a model name elsewhere."""
    found: dict[int, str] = {}
    for entry in re.split(r"\n\s*\n", stripped_text(root / "proc/cpuinfo")):
        pairs = (line.partition(":") for line in entry.splitlines())
        fields = {key.strip().lower(): value.strip() for key, _, value in pairs}
        if not fields.get("processor", "").isdigit():
            continue
        name = fields.get("model name") or fields.get("uarch") or ""
        if "cpu part" in fields:
            implementer, part = int(fields.get("cpu implementer", "0"), 16), int(fields["cpu part"], 16)
            name = _ARM_PARTS.get(part, "") if implementer == _ARM else ""
            name = name or f"part {implementer:#x}/{part:#x}"
        if name:
            found[int(fields["processor"])] = name
    return found


def _temperatures(root: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        thousandths = stripped_text(zone / "temp")
        if re.fullmatch(r"-?\d+", thousandths):
            kind = stripped_text(zone / "type") or zone.name
            found[f"{kind} {zone.name}" if kind in found else kind] = int(thousandths) / 1000
    return found


def _throttled(root: Path) -> tuple[str, ...] | None:
    """Linux's cooling devices that hold processors back, and what a Raspberry Pi's firmware says."""
    told, reasons = False, []
    for device in sorted((root / "sys/class/thermal").glob("cooling_device*")):
        kind, state = stripped_text(device / "type"), stripped_text(device / "cur_state")
        if state.isdigit() and ("cpufreq" in kind or kind == "Processor"):
            told = True
            reasons += [f"{kind} at step {state}"] if int(state) else []
    bits = _firmware_bits(root)
    if bits is not None:
        told = True
        reasons += [reason for bit, reason in _RASPBERRY_PI.items() if bits >> bit & 1]
    return tuple(reasons) if told else None


def _firmware_bits(root: Path) -> int | None:
    text = next((stripped_text(path) for path in root.glob(_FIRMWARE)), "")
    if not text and root == ROOT and (command := shutil.which("vcgencmd")):
        done = subprocess.run([command, "get_throttled"], capture_output=True, text=True, timeout=5)
        text = done.stdout.strip().removeprefix("throttled=")
    try:
        return int(text, 16)
    except ValueError:
        return None
