"""The machine this runs on, as far as it tells about itself."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import psutil
import tvm
from tvm.target import codegen

from blockfront.cores import usable_cores
from blockfront.files import stripped_text
from blockfront.targets.hardware.catalogue.cores import KIB, MIB, OUR_CHOICE
from blockfront.targets.hardware.multiply_adds import multiply_adds
from blockfront.targets.hardware.target import Processor

# Where nothing can be measured: LLVM's names of processors with two units for vectors of 512 bits. Others have one, or
# two of half that width.
_TWO_UNITS = {"znver5", "icelake-server", "sapphirerapids", "emeraldrapids", "graniterapids"}
_X86 = {"avx512f": (512, 32), "avx2": (256, 16)}
# AVX2, FMA and what came with them: the most that QEMU emulates.
_AVX2_CPU = "x86-64-v3"
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CACHE_FIGURES = ("l1_bytes", "l1_ways", "l2_bytes", "l2_ways", "l2_shared", "l3_bytes", "l3_ways")
MEASURED = "measured"
_BY_NAME = "by name of the processor"
_OPERATING_SYSTEM = "the operating system"


def _vectors(triple: str, cpu: str) -> tuple[int, int]:
    """Width in bits and number of the vector registers."""
    if not _is_x86():
        return 128, 32
    features = [name for name in _X86 if _has(name, triple, cpu)]
    return _X86[features[0]] if features else (128, 16)


def _has(feature: str, triple: str, cpu: str) -> bool:
    target = tvm.target.Target({"kind": "llvm", "mtriple": triple, "mcpu": cpu})
    return bool(codegen.llvm_cpu_has_features([feature], target))


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _read_caches() -> dict[str, Any]:
    """The fields of `Processor` that Linux tells of the data caches of the first core; none where it does not tell."""
    levels = {}
    for index in sorted(_CACHES.glob("index*")):
        told = {name: stripped_text(index / name) for name in ("level", "type", "size", "ways_of_associativity")}
        sharing = (
            stripped_text(index / "shared_cpu_list"),
            stripped_text(_CACHES.parent / "topology/thread_siblings_list"),
        )
        size, ways = told["size"], told["ways_of_associativity"]
        if told["type"] != "Instruction" and size.endswith("K") and size[:-1].isdigit() and ways.isdigit():
            levels[told["level"]] = int(size[:-1]) * KIB, int(ways), sharing[0] not in ("", sharing[1])
    if not {"1", "2"} <= set(levels):
        return {}
    (l1, l1_ways, _), (l2, l2_ways, l2_shared), (l3, l3_ways, _) = (
        levels.get(level, (0, 16, True)) for level in ("1", "2", "3")
    )
    return {
        "l1_bytes": l1,
        "l1_ways": l1_ways,
        "l2_bytes": l2,
        "l2_ways": l2_ways,
        "l2_shared": l2_shared,
        "l3_bytes": l3,
        "l3_ways": l3_ways,
    }


def _triple_and_cpu() -> tuple[str, str]:
    return str(codegen.llvm_get_system_triple()), str(codegen.llvm_get_system_cpu())


def _target(name: str, title: str, triple: str, cpu: str, bits: int, registers: int) -> Processor:
    """This machine with all cores this process may use, for code with such vectors.

    Multiply-adds a cycle are measured or, where that says nothing, follow from the processor's name; loads a cycle and
    memory bandwidth, which Winograd's rule weighs, are assumed in proportion to them, and say that they are unverified.
    """
    frequency = psutil.cpu_freq()
    clock = (frequency.max or frequency.current) / 1000 if frequency else 2.0
    told = _read_caches()
    caches = told or {"l2_bytes": 1 * MIB, "l2_shared": False}
    assumed = ["loads_per_cycle", "fma_latency", "bandwidth_gbs", "launch_us"]
    vectors_a_cycle, source = _multiply_adds(triple, cpu, bits, registers)
    return Processor(
        name=name,
        title=title,
        local=True,
        tvm_target={"kind": "llvm", "mtriple": triple, "mcpu": cpu},
        cores=usable_cores(),
        clock_ghz=clock if clock > 0.1 else 2.0,
        simd_bits=bits,
        vector_registers=registers,
        fma_per_cycle=vectors_a_cycle,
        loads_per_cycle=int(max(1, min(vectors_a_cycle, 2))),
        lane_operands=triple.startswith("aarch64"),
        bandwidth_gbs=20.0 if bits == 512 and vectors_a_cycle == 2 else 10.0,
        **caches,
        sources={
            "cores, clock_ghz": _OPERATING_SYSTEM,
            "simd_bits, vector_registers": "LLVM's description of this processor",
            "fma_per_cycle": source,
            "lane_operands": "the architecture",
            ", ".join(_CACHE_FIGURES): _OPERATING_SYSTEM if told else OUR_CHOICE,
            ", ".join(assumed): OUR_CHOICE,
        },
    )


def _multiply_adds(triple: str, cpu: str, bits: int, registers: int) -> tuple[float, str]:
    """Vectors multiplied and added a cycle, and where the number is from."""
    by_name = 1.0 if bits == 512 and cpu not in _TWO_UNITS else 2.0
    if _is_x86() and not _has("fma", triple, cpu):
        return by_name, f"{_BY_NAME}: it has no multiply-adds to measure; unverified"
    found = multiply_adds(triple, cpu, bits, registers)
    if found is None:
        return by_name, f"{_BY_NAME}: a measurement cannot be kept in the cache folder; unverified"
    if found.a_cycle is None:
        said = "nothing" if found.ratio is None else f"{found.ratio:.2f}"
        return by_name, f"{_BY_NAME}: the measurement said {said}; unverified"
    return found.a_cycle, MEASURED


def host() -> Processor:
    """This machine, with the vectors that LLVM says it has."""
    triple, cpu = _triple_and_cpu()
    return _target("host", f"this machine ({cpu})", triple, cpu, *_vectors(triple, cpu))


def host_avx2() -> Processor | None:
    """This machine by what QEMU emulates of it: AVX2 and FMA; None where it has none of them."""
    triple, cpu = _triple_and_cpu()
    if not (_is_x86() and all(_has(feature, triple, cpu) for feature in ("avx2", "fma"))):
        return None
    return _target("host_avx2", f"this machine ({cpu}) with AVX2 alone", triple, _AVX2_CPU, 256, 16)


BOARDS = [target for target in (host(), host_avx2()) if target is not None]
LACKING = {} if len(BOARDS) > 1 else {"host_avx2": "no host_avx2 here: QEMU emulates AVX2 and FMA, which are missing"}
