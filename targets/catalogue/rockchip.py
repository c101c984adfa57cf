"""Rockchip boards."""

from bench.targets.target import TARGETS, Target

_SBC_BENCH = "sbc-bench on a NanoPC-T4, single-thread memcpy"

TARGETS.add(
    "rk3399",
    Target(
        name="rk3399",
        title="Rockchip RK3399, 2 × Cortex-A72 at 1.8 GHz",
        tvm_target={"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]},
        cores=2,
        clock_ghz=1.8,
        simd_bits=128,
        vector_registers=32,
        fma_per_cycle=1,
        loads_per_cycle=1,
        fma_latency=7,
        lane_operands=True,
        l1_bytes=32 * 1024,
        l2_bytes=1024 * 1024,
        bandwidth_gbs=4.1,
        launch_us=5.0,
        sources={
            "cores, clock_ghz, caches": "Rockchip RK3399 datasheet",
            "fma_per_cycle": "8 float32 operations a cycle and core, inferred from the pipeline; unverified",
            "fma_latency, loads_per_cycle": "Arm Cortex-A72 Software Optimization Guide",
            "bandwidth_gbs": f"4.10 GB/s, {_SBC_BENCH}",
            "launch_us": "our choice; unverified",
        },
    ),
)
