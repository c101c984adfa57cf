"""Boards in tables of published latencies: which cores a row ran on, and what is known of them.

A board of the catalogue is taken from there. The others are phones and boards the suite compiles nothing for; a figure
marked "unverified" was not found in a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from blockfront.plurals import counted
from blockfront.targets.hardware.catalogue.cores import (
    CORTEX_A53,
    CORTEX_A55,
    CORTEX_A57,
    CORTEX_A73,
    CORTEX_A76,
    CORTEX_A78AE,
    FROM_MEMORY,
    KIB,
    MIB,
    Core,
)
from blockfront.targets.hardware.target import Target, get_target

_TABLE = "ncnn's benchmark table"
_ESTIMATE = "estimated: memory_gbs 65 % of what the memory's width and rate come to; unverified"
_SETTING = re.compile(r"(\d+)\s*(?:T|x)\b\s*(big|little|all)?", re.IGNORECASE)


@dataclass(frozen=True)
class Device:
    """Boards whose name and chip match `pattern`.

    `big`: the cores a run is pinned to by default; `little`: the others. `uneven`: settings such as "8T all" that no
    one target describes, and why.
    """

    pattern: str
    big: Target
    little: Target | None = None
    uneven: Mapping[str, str] = field(default_factory=dict)


def _board(
    core: Core,
    name: str,
    title: str,
    cores: int,
    clock_ghz: float,
    l2_bytes: int,
    bandwidth_gbs: float,
    l3_bytes: int = 0,
    memory_gbs: float | None = None,
) -> Target:
    sources = {
        "cores, clock_ghz": _TABLE,
        "l2_bytes, l3_bytes, l3_ways": FROM_MEMORY,
        "bandwidth_gbs, memory_gbs": _ESTIMATE,
    }
    return core.target(
        name,
        title,
        cores=cores,
        clock_ghz=clock_ghz,
        l2_bytes=l2_bytes,
        bandwidth_gbs=bandwidth_gbs,
        l3_bytes=l3_bytes,
        memory_gbs=memory_gbs,
        sources=sources,
    )


_RK3588_LITTLE = _board(CORTEX_A55, "rk3588_little", "Rockchip RK3588", 4, 1.8, 128 * KIB, 6.0)
_MIXED = "its cores are of two kinds"

DEVICES = (
    Device("RK3588", get_target("rk3588"), _RK3588_LITTLE, {"all": _MIXED}),
    Device("RK3399", get_target("rk3399"), get_target("rk3399_little"), {"all": _MIXED}),
    Device("Radxa Zero 3", replace(get_target("rk3566"), name="radxa_zero3", clock_ghz=1.416)),
    Device("RK3566", get_target("rk3566")),
    Device("RK3568", get_target("rk3568")),
    Device("RK3328|RK3228H", _board(CORTEX_A53, "rk3328", "Rockchip RK3328", 4, 1.3, 256 * KIB, 1.5, memory_gbs=5.5)),
    Device(r"Raspberry Pi 3B\+|BCM2837B0", get_target("rpi3bplus")),
    Device("Raspberry Pi 3B|BCM2837", get_target("rpi3b")),
    Device("Raspberry Pi Zero 2|BCM2710A1", get_target("rpi_zero2w")),
    Device("Raspberry Pi 4|BCM2711", get_target("rpi4")),
    Device("Raspberry Pi 5|BCM2712", get_target("rpi5")),
    Device(
        "A311D|VIM3",
        get_target("vim3"),
        _board(CORTEX_A53, "vim3_little", "Khadas VIM3 (Amlogic A311D)", 2, 1.8, 256 * KIB, 2.0),
        {"all": _MIXED},
    ),
    Device("Orin Nano", get_target("jetson_orin_nano")),
    Device(
        "AGX Orin",
        _board(CORTEX_A78AE, "jetson_agx_orin", "NVIDIA Jetson AGX Orin", 12, 2.2, 256 * KIB, 10.0, 4 * MIB),
    ),
    Device("Jetson Nano|Tegra X1", get_target("jetson_nano")),
    Device("T527", _board(CORTEX_A55, "t527", "Allwinner T527", 4, 2.2, 128 * KIB, 3.5), None, {"all": _MIXED}),
    Device("H616", _board(CORTEX_A53, "h616", "Allwinner H616", 4, 1.5, 256 * KIB, 1.3, memory_gbs=3.4)),
    Device(
        "Sunrise X3", _board(CORTEX_A53, "sunrise_x3", "Horizon Sunrise X3", 4, 1.5, 512 * KIB, 2.0, memory_gbs=8.3)
    ),
    Device("AX630C", _board(CORTEX_A53, "ax630c", "AXERA AX630C", 2, 1.2, 256 * KIB, 2.0, memory_gbs=8.3)),
    Device("QRB2210", _board(CORTEX_A53, "qrb2210", "Qualcomm QRB2210", 4, 2.0, 512 * KIB, 2.5, memory_gbs=9.4)),
    Device("MSM8916", _board(CORTEX_A53, "snapdragon_410", "Snapdragon 410", 4, 1.2, 512 * KIB, 1.5)),
    Device(
        "MSM8994",
        _board(CORTEX_A57, "snapdragon_810", "Snapdragon 810", 4, 2.0, 2 * MIB, 4.5, memory_gbs=16.6),
        _board(CORTEX_A53, "snapdragon_810_little", "Snapdragon 810", 4, 1.55, 512 * KIB, 2.0),
        {"all": _MIXED},
    ),
    Device(
        "MSM8998",
        _board(CORTEX_A73, "snapdragon_835", "Snapdragon 835", 4, 2.45, 2 * MIB, 7.0, memory_gbs=19.4),
        None,
        {"all": _MIXED},
    ),
    Device(
        "SDM660",
        _board(CORTEX_A73, "snapdragon_660", "Snapdragon 660", 4, 2.2, 1 * MIB, 5.0),
        None,
        {"all": _MIXED},
    ),
    Device(
        "Kirin 970",
        _board(CORTEX_A73, "kirin_970", "Kirin 970", 4, 2.4, 2 * MIB, 7.0, memory_gbs=19.4),
        _board(CORTEX_A53, "kirin_970_little", "Kirin 970", 4, 1.8, 1 * MIB, 3.0),
        {"all": _MIXED},
    ),
    Device(
        "SM8150",
        _board(CORTEX_A76, "snapdragon_855", "Snapdragon 855+", 1, 2.96, 512 * KIB, 12.0, 2 * MIB),
        None,
        {"4T big": "its four big cores have two clocks and two sizes of cache", "all": _MIXED},
    ),
    Device(
        "SM6150",
        _board(CORTEX_A76, "snapdragon_675", "Snapdragon 675", 2, 2.0, 256 * KIB, 7.0, 1 * MIB),
        None,
        {"all": _MIXED},
    ),
)


@dataclass(frozen=True)
class Placement:
    """Some threads on some cores of a board."""

    target: Target
    threads: int


def placement_of(device: str, chip: str, cores_threads: str) -> Placement | str:
    """Where a row ran; or in words why no prediction can be made for it."""
    if cores_threads.startswith("GPU"):
        return "ran on a GPU"
    found = next((entry for entry in DEVICES if re.search(entry.pattern, f"{device} {chip}", re.IGNORECASE)), None)
    if found is None:
        return f"{device} is not known"
    asked = _SETTING.match(cores_threads)
    if asked is None:
        return f"{device}: how many threads {cores_threads!r} means is not known"
    threads, group = int(asked.group(1)), (asked.group(2) or "").lower()
    if re.search(r"little|A53|A55", cores_threads) and found.little is not None:
        target = found.little
    else:
        target = found.big
        # Threads that are pinned to no core go wherever there is room.
        for setting in (group, f"{threads}T {group}"):
            if setting in found.uneven:
                return f"{device}, {cores_threads}: {found.uneven[setting]}"
    if threads > target.cores:
        return f"{device}, {cores_threads}: more threads than its {counted(target.cores, 'such core')}"
    return Placement(target, threads)
