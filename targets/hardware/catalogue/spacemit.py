"""Boards with SpacemiT processors."""

from blockfront.targets.hardware.catalogue.cores import KIB
from blockfront.targets.hardware.catalogue.riscv_cores import SPACEMIT_X60

BOARDS = [
    SPACEMIT_X60.target(
        "spacemit_k1",
        "SpacemiT K1",
        cores=8,
        clock_ghz=1.6,
        l2_bytes=512 * KIB,
        bandwidth_gbs=2.6,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "l2_bytes": "Linux device tree k1.dtsi, for each four cores",
            "bandwidth_gbs": "between 2.4 and 2.9 GB/s, sbc-bench, single-thread memcpy",
        },
    ),
]
