"""The CUDA GPU of this machine, where there is one that TVM can use."""

from __future__ import annotations

from typing import Any

import tvm

from blockfront.targets.hardware.catalogue.cores import NO_L3, OUR_CHOICE
from blockfront.targets.hardware.catalogue.host import host
from blockfront.targets.hardware.catalogue.multiprocessors import WARP
from blockfront.targets.hardware.target import Gpu

# Compute capabilities whose multiprocessors have 64 lanes; all others since 5.0 have 128.
_HALF = {"6.0", "7.0", "7.2", "7.5", "8.0"}


def cuda(device: Any) -> Gpu:
    """The GPU as far as it tells about itself. Its memory's bandwidth it does not; only the roofline asks for that."""
    capability = str(device.compute_version)
    return Gpu(
        name="cuda",
        title=f"the GPU of this machine ({device.device_name})",
        local=True,
        tvm_target={
            "kind": "cuda",
            "arch": "sm_" + capability.replace(".", ""),
            "max_threads_per_block": device.max_threads_per_block,
            "max_shared_memory_per_block": device.max_shared_memory_per_block,
            "host": dict(host().tvm_target),
        },
        cores=device.multi_processor_count,
        clock_ghz=device.max_clock_rate / 1e6,
        simd_bits=32 * WARP,
        vector_registers=65536 // WARP,
        fma_per_cycle=2 if capability in _HALF else 4,
        bandwidth_gbs=500,
        l1_bytes=device.max_shared_memory_per_block,
        l2_bytes=device.l2_cache_size_bytes,
        sources={
            "cores, clock_ghz, l1_bytes, l2_bytes": "the CUDA driver; level 1 is the shared memory of a block",
            "simd_bits, vector_registers, fma_per_cycle": f"compute capability {capability}, from memory; unverified",
            "loads_per_cycle, fma_latency, lane_operands, bandwidth_gbs, launch_us": OUR_CHOICE,
            "l1_ways, l2_ways, l2_shared": OUR_CHOICE,
            "l3_bytes, l3_ways": NO_L3,
        },
    )


BOARDS = [cuda(tvm.cuda(0))] if tvm.cuda(0).exist else []
LACKING = (
    {}
    if BOARDS
    else {
        "cuda": "no GPU here that TVM can use: that needs NVIDIA's driver and CUDA 13's runtime library; "
        "bench targets lists the GPUs of boards"
    }
)
