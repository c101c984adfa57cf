"""Boards with Amlogic processors."""

from blockfront.targets.hardware.catalogue.cores import CORTEX_A73, FROM_MEMORY, MIB

BOARDS = [
    CORTEX_A73.target(
        "vim3",
        "Khadas VIM3 (Amlogic A311D)",
        cores=4,
        cpus=(2, 3, 4, 5),
        clock_ghz=2.2,
        l2_bytes=1 * MIB,
        bandwidth_gbs=4.98,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "cpus": "Linux device tree meson-g12b.dtsi: 0 and 1 are the Cortex-A53, 2 to 5 the Cortex-A73",
            "l2_bytes": FROM_MEMORY,
            "bandwidth_gbs": "4.98 GB/s, sbc-bench, single-thread memcpy",
        },
    ),
]
