"""NVIDIA boards: their processors and their GPUs."""

from blockfront.targets.hardware.catalogue.cores import CORTEX_A57, CORTEX_A78AE, FROM_MEMORY, KIB, MIB
from blockfront.targets.hardware.catalogue.multiprocessors import AMPERE, MAXWELL

_NANO = "NVIDIA Jetson Nano data sheet DS-09366-001"
_ORIN_NANO = "NVIDIA Jetson Orin Nano data sheet"

BOARDS = [
    CORTEX_A57.target(
        "jetson_nano",
        "NVIDIA Jetson Nano",
        cores=4,
        clock_ghz=1.43,
        l2_bytes=2 * MIB,
        bandwidth_gbs=3.73,
        memory_gbs=8.87,
        sources={
            "cores, clock_ghz, l2_bytes": _NANO,
            "bandwidth_gbs": "3.73 GB/s, sbc-bench, single-thread memcpy",
            "memory_gbs": "sbc-bench, single-thread memset",
        },
    ),
    CORTEX_A78AE.target(
        "jetson_orin_nano",
        "NVIDIA Jetson Orin Nano",
        cores=6,
        clock_ghz=1.5,
        l2_bytes=256 * KIB,
        l3_bytes=4 * MIB,
        bandwidth_gbs=6.73,
        memory_gbs=20.2,
        sources={
            "cores, clock_ghz, l2_bytes": f"{_ORIN_NANO}, without the 1.7 GHz of its Super mode; level 2 for each core",
            "l3_bytes, l3_ways": f"{_ORIN_NANO}: 4 MB; its ways are unverified",
            "bandwidth_gbs": "6.73 GB/s, sbc-bench, single-thread memcpy",
            "memory_gbs": "sbc-bench, single-thread memset",
        },
    ),
    MAXWELL.target(
        "jetson_nano_gpu",
        "NVIDIA Jetson Nano GPU",
        cores=1,
        clock_ghz=0.921,
        l2_bytes=256 * KIB,
        bandwidth_gbs=25.6,
        key="jetson_nano",
        sources={
            "cores, clock_ghz": f"{_NANO}: 128 lanes",
            "l2_bytes": FROM_MEMORY,
            "bandwidth_gbs": f"{_NANO}: 25.6 GB/s of the memory; what the GPU copies is unverified",
        },
    ),
    AMPERE.target(
        "jetson_orin_nano_gpu",
        "NVIDIA Jetson Orin Nano GPU",
        cores=8,
        clock_ghz=0.625,
        l2_bytes=2 * MIB,
        bandwidth_gbs=68,
        key="jetson_orin_nano",
        sources={
            "cores, clock_ghz": f"{_ORIN_NANO}: 1024 lanes, without the 1.02 GHz of its Super mode",
            "l2_bytes": FROM_MEMORY,
            "bandwidth_gbs": "NVIDIA: 68 GB/s of the memory; what the GPU copies is unverified",
        },
    ),
]
