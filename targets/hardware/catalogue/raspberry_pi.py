"""Raspberry Pi boards, under a 64-bit system."""

from blockfront.targets.hardware.catalogue.cores import CORTEX_A53, CORTEX_A72, CORTEX_A76, KIB, MIB

_BCM2837_L2 = "Linux device tree bcm2837.dtsi"

BOARDS = [
    CORTEX_A53.target(
        "rpi3b",
        "Raspberry Pi 3B",
        cores=4,
        clock_ghz=1.2,
        l2_bytes=512 * KIB,
        bandwidth_gbs=1.11,
        sources={
            "cores, clock_ghz": "TVM's benchmark wiki",
            "l2_bytes": _BCM2837_L2,
            "bandwidth_gbs": "1.11 GB/s, sbc-bench, single-thread memcpy",
        },
    ),
    CORTEX_A53.target(
        "rpi3bplus",
        "Raspberry Pi 3B+",
        cores=4,
        clock_ghz=1.4,
        l2_bytes=512 * KIB,
        bandwidth_gbs=1.23,
        sources={
            "cores, clock_ghz": "ncnn's benchmark table",
            "l2_bytes": _BCM2837_L2,
            "bandwidth_gbs": "1.23 GB/s, sbc-bench, single-thread memcpy",
        },
    ),
    CORTEX_A53.target(
        "rpi_zero2w",
        "Raspberry Pi Zero 2 W",
        cores=4,
        clock_ghz=1.0,
        l2_bytes=512 * KIB,
        bandwidth_gbs=1.3,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "l2_bytes": f"{_BCM2837_L2}, of the same die",
            "bandwidth_gbs": "1.30 GB/s at 1 GHz, sbc-bench, single-thread memcpy, 32-bit system",
        },
    ),
    CORTEX_A72.target(
        "rpi4",
        "Raspberry Pi 4B",
        cores=4,
        clock_ghz=1.8,
        l2_bytes=1 * MIB,
        bandwidth_gbs=2.58,
        sources={
            "cores, clock_ghz": "sbc-bench; early boards run at 1.5 GHz",
            "l2_bytes": "Linux device tree bcm2711.dtsi",
            "bandwidth_gbs": "2.58 GB/s at 1.8 GHz, sbc-bench, single-thread memcpy, 64-bit system",
        },
    ),
    CORTEX_A76.target(
        "rpi5",
        "Raspberry Pi 5",
        cores=4,
        clock_ghz=2.4,
        l2_bytes=512 * KIB,
        l3_bytes=2 * MIB,
        bandwidth_gbs=5.6,
        memory_gbs=12.0,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "l2_bytes": "Linux device tree bcm2712.dtsi, for each core",
            "l3_bytes, l3_ways": "Linux device tree bcm2712.dtsi, from memory; unverified",
            "bandwidth_gbs": "between 5.3 and 6.0 GB/s, sbc-bench, single-thread memcpy",
            "memory_gbs": "between 10 and 14 GB/s, sbc-bench, single-thread memset",
        },
    ),
]
