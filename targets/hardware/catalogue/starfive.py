"""Boards with StarFive processors."""

from blockfront.targets.hardware.catalogue.cores import MIB
from blockfront.targets.hardware.catalogue.riscv_cores import SIFIVE_U74

BOARDS = [
    SIFIVE_U74.target(
        "visionfive2",
        "VisionFive 2 (StarFive JH7110)",
        cores=4,
        clock_ghz=1.5,
        l2_bytes=2 * MIB,
        bandwidth_gbs=0.86,
        sources={
            "cores, clock_ghz": "ncnn's benchmark table",
            "l2_bytes": "Linux device tree jh7110.dtsi",
            "bandwidth_gbs": "0.86 GB/s, sbc-bench, single-thread memcpy",
        },
    ),
]
