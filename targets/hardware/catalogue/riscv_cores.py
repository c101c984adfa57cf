"""Microarchitectures of RISC-V, as in `cores`."""

from blockfront.targets.hardware.catalogue.cores import KIB, Core, llvm_model

SIFIVE_U74 = Core(
    "SiFive U74",
    {
        "kind": "llvm",
        "mtriple": "riscv64-unknown-linux-gnu",
        "mcpu": "sifive-u74",
        "mattr": ["+m", "+a", "+f", "+d", "+c"],
        "mabi": "lp64d",
    },
    simd_bits=32,
    vector_registers=32,
    fma_per_cycle=1,
    loads_per_cycle=1,
    fma_latency=5,
    l1_bytes=32 * KIB,
    lane_operands=False,
    ways=(8, 16),
    sources={
        "simd_bits, vector_registers, lane_operands": "RV64GC has no vectors: 32 registers of one float32 or float64",
        "fma_per_cycle, loads_per_cycle, fma_latency": llvm_model("RISCVSchedSiFive7"),
        "l1_bytes": "Linux device tree jh7110.dtsi",
    },
)

SPACEMIT_X60 = Core(
    "SpacemiT X60",
    {
        "kind": "llvm",
        "mtriple": "riscv64-unknown-linux-gnu",
        "mcpu": "spacemit-x60",
        "mattr": ["+m", "+a", "+f", "+d", "+c", "+v", "+zvl256b"],
        "mabi": "lp64d",
    },
    simd_bits=256,
    vector_registers=32,
    fma_per_cycle=0.5,
    loads_per_cycle=1,
    fma_latency=5,
    l1_bytes=32 * KIB,
    lane_operands=False,
    sources={
        "simd_bits": llvm_model("RISCVSchedSpacemitX60"),
        "vector_registers, lane_operands": "RISC-V V 1.0: 32 vector registers; an operand can be a scalar, no lane",
        "fma_per_cycle": f"{llvm_model('RISCVSchedSpacemitX60')}: units of 128 bits; unverified",
        "loads_per_cycle": llvm_model("RISCVSchedSpacemitX60"),
        "fma_latency": f"that of its scalar multiply-add, {llvm_model('RISCVSchedSpacemitX60')}; unverified",
        "l1_bytes": "Linux device tree k1.dtsi",
    },
)
