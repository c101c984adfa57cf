"""A board of one's own."""

from bench.targets import Target

mine = Target(
    name="rpi3b",
    title="Raspberry Pi 3B, 4 × Cortex-A53 at 1.2 GHz",
    tvm_target={"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a53", "mattr": ["+neon"]},
    cores=4,
    clock_ghz=1.2,
    simd_bits=128,
    vector_registers=32,
    fma_per_cycle=1,
    bandwidth_gbs=1.11,
    sources={"bandwidth_gbs": "sbc-bench, single-thread memcpy"},
)
