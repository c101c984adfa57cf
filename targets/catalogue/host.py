"""The machine this runs on, as far as it tells about itself."""

from __future__ import annotations

import os
import platform

import psutil
import tvm
from tvm.target import codegen

from bench.targets.catalogue.cores import MIB, OUR_CHOICE
from bench.targets.target import Target

_X86 = {"avx512f": (512, 32), "avx2": (256, 16)}


def _vectors(triple: str, cpu: str) -> tuple[int, int]:
    """Width in bits and number of the vector registers."""
    target = tvm.target.Target({"kind": "llvm", "mtriple": triple, "mcpu": cpu})
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return 128, 32
    features = [name for name in _X86 if codegen.llvm_cpu_has_features([name], target)]
    return _X86[features[0]] if features else (128, 16)


def host() -> Target:
    """This machine with all cores this process may use.

    Clock and vector width are the operating system's and LLVM's; multiply-adds a cycle and memory bandwidth are
    assumptions that only the roofline predictor uses, and say so.
    """
    triple, cpu = str(codegen.llvm_get_system_triple()), str(codegen.llvm_get_system_cpu())
    bits, registers = _vectors(triple, cpu)
    frequency = psutil.cpu_freq()
    clock = (frequency.max or frequency.current) / 1000 if frequency else 2.0
    return Target(
        name="host",
        title=f"this machine ({cpu})",
        tvm_target={"kind": "llvm", "mtriple": triple, "mcpu": cpu},
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        clock_ghz=clock if clock > 0.1 else 2.0,
        simd_bits=bits,
        vector_registers=registers,
        fma_per_cycle=1 if bits == 512 else 2,
        loads_per_cycle=1 if bits == 512 else 2,
        lane_operands=triple.startswith("aarch64"),
        bandwidth_gbs=10.0,
        l2_bytes=1 * MIB,
        sources={
            "cores, clock_ghz": "the operating system",
            "simd_bits, vector_registers": "LLVM's description of this processor",
            "lane_operands": "the architecture",
            "fma_per_cycle, loads_per_cycle, fma_latency, l1_bytes, l2_bytes, bandwidth_gbs, launch_us": OUR_CHOICE,
        },
    )


BOARDS = [host()]
