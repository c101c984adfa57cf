"""Boards with Rockchip processors."""

from blockfront.targets.hardware.catalogue.cores import (
    CORTEX_A53,
    CORTEX_A55,
    CORTEX_A72,
    CORTEX_A76,
    FROM_MEMORY,
    KIB,
    MIB,
)
from blockfront.targets.hardware.catalogue.multiprocessors import MALI_T860

_RK3399 = {
    "cores, clock_ghz": "Rockchip RK3399 datasheet",
    "cpus": "TVM pull request 1403: 0 to 3 are the Cortex-A53, 4 and 5 the Cortex-A72",
    "l2_bytes": "Linux device tree rk3399-base.dtsi",
    "bandwidth_gbs": "4.10 GB/s, sbc-bench on a NanoPC-T4, single-thread memcpy",
    "memory_gbs": "sbc-bench on a NanoPC-T4, single-thread memset",
}
_RK356X_L2 = "Linux device tree rk356x-base.dtsi: a level 3 that takes the place of a level 2"

BOARDS = [
    CORTEX_A72.target(
        "rk3399",
        "Rockchip RK3399",
        cores=2,
        cpus=(4, 5),
        clock_ghz=1.8,
        l2_bytes=1 * MIB,
        bandwidth_gbs=4.1,
        memory_gbs=9.04,
        sources=_RK3399,
    ),
    CORTEX_A72.target(
        "rk3399_big1",
        "Rockchip RK3399",
        cores=1,
        cpus=(4,),
        clock_ghz=1.8,
        l2_bytes=1 * MIB,
        bandwidth_gbs=4.1,
        memory_gbs=9.04,
        key="rk3399",
        sources=_RK3399,
    ),
    CORTEX_A53.target(
        "rk3399_little",
        "Rockchip RK3399",
        cores=4,
        cpus=(0, 1, 2, 3),
        clock_ghz=1.416,
        l2_bytes=512 * KIB,
        bandwidth_gbs=2.03,
        memory_gbs=8.44,
        key="rk3399",
        sources={
            **_RK3399,
            "cores, clock_ghz": "Rockchip RK3399 datasheet; 1.416 GHz is the highest step of sbc-bench's NanoPC-T4",
            "bandwidth_gbs": "2.03 GB/s, sbc-bench on a NanoPC-T4, single-thread memcpy",
        },
    ),
    CORTEX_A76.target(
        "rk3588",
        "Rockchip RK3588",
        cores=4,
        cpus=(4, 5, 6, 7),
        clock_ghz=2.4,
        l2_bytes=512 * KIB,
        l3_bytes=3 * MIB,
        l3_ways=12,
        bandwidth_gbs=12.8,
        memory_gbs=29.9,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "cpus": "Linux device tree rk3588-base.dtsi: 0 to 3 are the Cortex-A55, 4 to 7 the Cortex-A76",
            "l2_bytes": "Linux device tree rk3588-base.dtsi, for each core",
            "l3_bytes, l3_ways": "Linux device tree rk3588-base.dtsi, from memory; unverified",
            "bandwidth_gbs": "about 12.8 GB/s, sbc-bench, single-thread memcpy",
            "memory_gbs": "sbc-bench, single-thread memset",
        },
    ),
    CORTEX_A55.target(
        "rk3566",
        "Rockchip RK3566",
        cores=4,
        clock_ghz=1.8,
        l2_bytes=512 * KIB,
        bandwidth_gbs=3.24,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "l2_bytes": _RK356X_L2,
            "bandwidth_gbs": "3.24 GB/s, sbc-bench, single-thread memcpy",
        },
    ),
    CORTEX_A55.target(
        "rk3568",
        "Rockchip RK3568",
        cores=4,
        clock_ghz=2.0,
        l2_bytes=512 * KIB,
        bandwidth_gbs=3.15,
        sources={
            "cores, clock_ghz": "sbc-bench",
            "l2_bytes": _RK356X_L2,
            "bandwidth_gbs": "3.15 GB/s, sbc-bench on a ROCK 3A, single-thread memcpy",
        },
    ),
    MALI_T860.target(
        "rk3399_gpu",
        "Rockchip RK3399 GPU",
        cores=4,
        clock_ghz=0.8,
        l2_bytes=256 * KIB,
        bandwidth_gbs=4.1,
        key="rk3399",
        sources={
            "cores, clock_ghz": "Rockchip RK3399 datasheet",
            "l2_bytes": FROM_MEMORY,
            "bandwidth_gbs": "that of the Cortex-A72 beside it; unverified",
        },
    ),
]
