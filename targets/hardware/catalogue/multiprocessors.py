"""The multiprocessors of GPUs: what GPUs of one architecture share, each figure with its source."""

from __future__ import annotations

from typing import Any

from blockfront.targets.hardware.catalogue.cores import (
    CORTEX_A57,
    CORTEX_A72,
    CORTEX_A78AE,
    FROM_MEMORY,
    KIB,
    OUR_CHOICE,
    Core,
)
from blockfront.targets.hardware.target import Gpu

WARP = 32
"""Threads that a multiprocessor of NVIDIA's runs together: the lanes of its vectors."""

_WARPS = "CUDA: warps of 32 threads, 65,536 registers of 32 bits a multiprocessor, from memory; unverified"


def cuda_target(arch: str, host: Core, registers: int = 65536) -> dict[str, Any]:
    """TVM's target for a GPU of compute capability `arch`, such as sm_87, beside the processor `host`."""
    return {
        "kind": "cuda",
        "arch": arch,
        "max_threads_per_block": 1024,
        "max_shared_memory_per_block": 48 * KIB,
        "registers_per_block": registers,
        "host": dict(host.tvm_target),
    }


MAXWELL = Core(
    "Maxwell multiprocessor",
    cuda_target("sm_53", CORTEX_A57, registers=32768),
    simd_bits=32 * WARP,
    vector_registers=65536 // WARP,
    fma_per_cycle=4,
    loads_per_cycle=1,
    fma_latency=6,
    l1_bytes=48 * KIB,
    lane_operands=False,
    kind=Gpu,
    sources={
        "simd_bits, vector_registers": _WARPS,
        "fma_per_cycle": "128 lanes in four groups: 236 GFLOP/s at 0.921 GHz",
        "loads_per_cycle, fma_latency, lane_operands, l1_ways, l2_ways, l2_shared": OUR_CHOICE,
        "l1_bytes": "TVM's tag nvidia/jetson-nano: shared memory of a block",
    },
)

AMPERE = Core(
    "Ampere multiprocessor",
    cuda_target("sm_87", CORTEX_A78AE),
    simd_bits=32 * WARP,
    vector_registers=65536 // WARP,
    fma_per_cycle=4,
    loads_per_cycle=1,
    fma_latency=4,
    l1_bytes=48 * KIB,
    lane_operands=False,
    kind=Gpu,
    sources={
        "simd_bits, vector_registers": _WARPS,
        "fma_per_cycle": "1024 lanes in 8 multiprocessors, each in four groups: NVIDIA Jetson Orin Nano data sheet",
        "loads_per_cycle, fma_latency, lane_operands, l1_ways, l2_ways, l2_shared": OUR_CHOICE,
        "l1_bytes": "TVM's tag nvidia/jetson-orin-nano: shared memory of a block",
    },
)

MALI_T860 = Core(
    "Mali-T860 core",
    {"kind": "opencl", "device": "mali", "host": dict(CORTEX_A72.tvm_target)},
    simd_bits=128,
    vector_registers=32,
    fma_per_cycle=4.25,
    loads_per_cycle=1,
    fma_latency=4,
    l1_bytes=16 * KIB,
    lane_operands=False,
    kind=Gpu,
    sources={
        "simd_bits": FROM_MEMORY,
        "fma_per_cycle": "34 float32 operations a cycle: about 109 GFLOP/s of four cores at 0.8 GHz; unverified",
        "vector_registers, loads_per_cycle, fma_latency, lane_operands, l1_ways, l2_ways, l2_shared": OUR_CHOICE,
        "l1_bytes": "TVM's own target for Mali: local memory of a block",
    },
)
