"""A board of one's own, with a core that the catalogue knows."""

from dataclasses import replace

from blockfront.targets.hardware.catalogue.cores import CORTEX_A53, FROM_MEMORY, KIB

mine = CORTEX_A53.target(
    "rock64",
    "Rock64 (RK3328)",
    cores=4,
    clock_ghz=1.3,
    l2_bytes=256 * KIB,
    bandwidth_gbs=1.31,
    sources={
        "cores, clock_ghz": "sbc-bench",
        "l2_bytes": FROM_MEMORY,
        "bandwidth_gbs": "1.31 GB/s, sbc-bench, single-thread memcpy",
    },
)

# The same board where bench itself runs on it: measured there.
here = replace(mine, name="rock64_here", local=True)
