"""Hardkernel's Odroid boards."""

from blockfront.targets.hardware.catalogue.cores import CORTEX_A15, FROM_MEMORY, MIB

BOARDS = [
    CORTEX_A15.target(
        "odroid_xu4",
        "Odroid XU4 (Exynos 5422)",
        cores=4,
        cpus=(4, 5, 6, 7),
        clock_ghz=2.0,
        l2_bytes=2 * MIB,
        bandwidth_gbs=2.23,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "cpus": "Linux device tree exynos5422-cpus.dtsi: 0 to 3 are the Cortex-A7, 4 to 7 the Cortex-A15",
            "l2_bytes": FROM_MEMORY,
            "bandwidth_gbs": "2.23 GB/s, sbc-bench, single-thread memcpy",
        },
    ),
]
