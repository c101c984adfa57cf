"""Google phones."""

from blockfront.targets.hardware.catalogue.cores import CORTEX_A78, CORTEX_X1, FROM_MEMORY, KIB, MIB

_TENSOR_G2 = {
    "cores, clock_ghz": "published figures of the Tensor G2",
    "cpus": "0 to 3 are the Cortex-A55, 4 and 5 the Cortex-A78, 6 and 7 the Cortex-X1, from memory; unverified",
    "l2_bytes, l3_bytes, l3_ways": FROM_MEMORY,
    "bandwidth_gbs": "our choice, that of the RK3588; unverified",
}

BOARDS = [
    CORTEX_X1.target(
        "pixel7",
        "Google Pixel 7 (Tensor G2)",
        cores=2,
        cpus=(6, 7),
        clock_ghz=2.85,
        l2_bytes=1 * MIB,
        l3_bytes=4 * MIB,
        bandwidth_gbs=12.8,
        sources=_TENSOR_G2,
    ),
    CORTEX_A78.target(
        "pixel7_mid",
        "Google Pixel 7 (Tensor G2)",
        cores=2,
        cpus=(4, 5),
        clock_ghz=2.35,
        l2_bytes=256 * KIB,
        l3_bytes=4 * MIB,
        bandwidth_gbs=12.8,
        key="pixel7",
        sources=_TENSOR_G2,
    ),
]
