"""Microarchitectures: what boards with the same core share, each figure with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blockfront.targets.hardware.target import Processor, Target

KIB, MIB = 1024, 1024**2
OUR_CHOICE = "our choice; unverified"
FROM_MEMORY = "from memory; unverified"
NO_L3 = "no third level"

_INFERRED = "inferred from the pipeline; unverified"
_WAYS = "the core's technical reference manual, from memory; unverified"


@dataclass(frozen=True)
class Core:
    """A microarchitecture; see `Target` for the figures. `title` stands in the titles of its boards.

    `ways`: of its first and second level of cache; `l2_shared`: whether its cores have one second level together;
    `kind`: what a group of them is.
    """

    title: str
    tvm_target: Mapping[str, Any]
    simd_bits: int
    vector_registers: int
    fma_per_cycle: float
    loads_per_cycle: int
    fma_latency: int
    l1_bytes: int
    lane_operands: bool
    sources: Mapping[str, str]
    ways: tuple[int, int] = (4, 16)
    l2_shared: bool = True
    kind: type[Target] = Processor

    def target(
        self,
        name: str,
        board: str,
        *,
        cores: int,
        clock_ghz: float,
        l2_bytes: int,
        bandwidth_gbs: float,
        sources: Mapping[str, str],
        cpus: tuple[int, ...] = (),
        key: str | None = None,
        memory_gbs: float | None = None,
        l3_bytes: int = 0,
        l3_ways: int = 16,
    ) -> Target:
        """The target `name`: `cores` of these on a board, which says where its own figures are from."""
        return self.kind(
            name=name,
            title=f"{board}, {cores} × {self.title} at {clock_ghz:g} GHz",
            tvm_target=self.tvm_target,
            cores=cores,
            cpus=cpus,
            clock_ghz=clock_ghz,
            simd_bits=self.simd_bits,
            vector_registers=self.vector_registers,
            fma_per_cycle=self.fma_per_cycle,
            loads_per_cycle=self.loads_per_cycle,
            fma_latency=self.fma_latency,
            l1_bytes=self.l1_bytes,
            l1_ways=self.ways[0],
            l2_bytes=l2_bytes,
            l2_ways=self.ways[1],
            l2_shared=self.l2_shared,
            l3_bytes=l3_bytes,
            l3_ways=l3_ways,
            lane_operands=self.lane_operands,
            bandwidth_gbs=bandwidth_gbs,
            memory_gbs=memory_gbs,
            key=key,
            sources={
                "launch_us": OUR_CHOICE,
                "l1_ways, l2_ways, l2_shared": _WAYS,
                "l3_bytes, l3_ways": NO_L3,
                **self.sources,
                **sources,
            },
        )


def llvm_model(name: str) -> str:
    """The source of a figure that LLVM schedules instructions by."""
    return f"LLVM's scheduling model, {name}.td"


def _armv8(
    title: str,
    cpu: str,
    *,
    fma_per_cycle: int,
    loads_per_cycle: int,
    fma_latency: int,
    l1_bytes: int,
    sources: Mapping[str, str],
    triple: str = "aarch64-linux-gnu",
    ways: tuple[int, int] = (4, 16),
    l2_shared: bool = True,
) -> Core:
    """A 64-bit Arm core: all have the same vector registers."""
    return Core(
        title,
        {"kind": "llvm", "mtriple": triple, "mcpu": cpu, "mattr": ["+neon"]},
        simd_bits=128,
        vector_registers=32,
        fma_per_cycle=fma_per_cycle,
        loads_per_cycle=loads_per_cycle,
        fma_latency=fma_latency,
        l1_bytes=l1_bytes,
        lane_operands=True,
        sources={
            "simd_bits, vector_registers, lane_operands": (
                "Armv8-A: 32 vector registers of 128 bits; an operand can be one lane of a register"
            ),
            **sources,
        },
        ways=ways,
        l2_shared=l2_shared,
    )


CORTEX_A53 = _armv8(
    "Cortex-A53",
    "cortex-a53",
    fma_per_cycle=1,
    loads_per_cycle=1,
    fma_latency=8,
    l1_bytes=32 * KIB,
    sources={
        "fma_per_cycle": f"8 float32 operations a cycle, {_INFERRED}",
        "loads_per_cycle, fma_latency": llvm_model("AArch64SchedA53"),
        "l1_bytes": "Linux device trees rk3399-base.dtsi, bcm2837.dtsi",
    },
)

CORTEX_A55 = _armv8(
    "Cortex-A55",
    "cortex-a55",
    fma_per_cycle=1,
    loads_per_cycle=1,
    fma_latency=8,
    l1_bytes=32 * KIB,
    sources={
        "fma_per_cycle, loads_per_cycle": llvm_model("AArch64SchedA55"),
        "fma_latency": "Arm Cortex-A55 Software Optimization Guide 4.0",
        "l1_bytes": "Linux device tree rk356x-base.dtsi",
    },
)

CORTEX_A57 = _armv8(
    "Cortex-A57",
    "cortex-a57",
    fma_per_cycle=1,
    loads_per_cycle=1,
    fma_latency=10,
    l1_bytes=32 * KIB,
    ways=(2, 16),
    sources={
        "fma_per_cycle, loads_per_cycle, fma_latency": llvm_model("AArch64SchedA57"),
        "l1_bytes": "NVIDIA Jetson Nano data sheet DS-09366-001",
    },
)

CORTEX_A72 = _armv8(
    "Cortex-A72",
    "cortex-a72",
    fma_per_cycle=1,
    loads_per_cycle=1,
    fma_latency=7,
    l1_bytes=32 * KIB,
    ways=(2, 16),
    sources={
        "fma_per_cycle": f"8 float32 operations a cycle, {_INFERRED}",
        "loads_per_cycle, fma_latency": "Arm Cortex-A72 Software Optimization Guide",
        "l1_bytes": "Linux device trees rk3399-base.dtsi, bcm2711.dtsi",
    },
)

CORTEX_A73 = _armv8(
    "Cortex-A73",
    "cortex-a73",
    fma_per_cycle=1,
    loads_per_cycle=2,
    fma_latency=7,
    l1_bytes=64 * KIB,
    sources={
        "fma_per_cycle": f"8 float32 operations a cycle, {_INFERRED}",
        "loads_per_cycle": f"two load/store units, {_INFERRED}",
        "fma_latency": "that of the Cortex-A72; unverified",
        "l1_bytes": "that of the Cortex-A73 in the Amlogic T7, Linux device tree amlogic-t7.dtsi; unverified",
    },
)

CORTEX_A76 = _armv8(
    "Cortex-A76",
    "cortex-a76",
    fma_per_cycle=2,
    loads_per_cycle=2,
    fma_latency=4,
    l1_bytes=64 * KIB,
    ways=(4, 8),
    l2_shared=False,
    sources={
        "loads_per_cycle": f"{llvm_model('AArch64SchedNeoverseN1')} of the server core with this pipeline; unverified",
        "fma_per_cycle, fma_latency": "Arm Cortex-A76 Software Optimization Guide",
        "l1_bytes": "Linux device trees bcm2712.dtsi, rk3588-base.dtsi",
    },
)

CORTEX_A78 = _armv8(
    "Cortex-A78",
    "cortex-a78",
    triple="aarch64-linux-android",
    fma_per_cycle=2,
    loads_per_cycle=2,
    fma_latency=4,
    l1_bytes=64 * KIB,
    ways=(4, 8),
    l2_shared=False,
    sources={
        "fma_per_cycle": f"16 float32 operations a cycle, {_INFERRED}",
        "loads_per_cycle, fma_latency, l1_bytes": "those of the Cortex-A76; unverified",
    },
)

CORTEX_A78AE = _armv8(
    "Cortex-A78AE",
    "cortex-a78ae",
    fma_per_cycle=2,
    loads_per_cycle=2,
    fma_latency=4,
    l1_bytes=64 * KIB,
    ways=(4, 8),
    l2_shared=False,
    sources={
        "fma_per_cycle": f"16 float32 operations a cycle, {_INFERRED}",
        "loads_per_cycle, fma_latency": "those of the Cortex-A76; unverified",
        "l1_bytes": "NVIDIA Jetson Orin Nano data sheet: 128 KB of instructions and data",
    },
)

CORTEX_X1 = _armv8(
    "Cortex-X1",
    "cortex-x1",
    triple="aarch64-linux-android",
    fma_per_cycle=4,
    loads_per_cycle=3,
    fma_latency=4,
    l1_bytes=64 * KIB,
    ways=(4, 8),
    l2_shared=False,
    sources={
        "fma_per_cycle": f"32 float32 operations a cycle, {_INFERRED}",
        "loads_per_cycle, fma_latency": (
            f"{llvm_model('AArch64SchedNeoverseV1')} of the server core with this pipeline; unverified"
        ),
        "l1_bytes": FROM_MEMORY,
    },
)

CORTEX_A15 = Core(
    "Cortex-A15",
    {
        "kind": "llvm",
        "mtriple": "armv7l-linux-gnueabihf",
        "mcpu": "cortex-a15",
        "mattr": ["+neon", "+vfp4"],
        "mfloat-abi": "hard",
    },
    simd_bits=128,
    vector_registers=16,
    fma_per_cycle=1,
    loads_per_cycle=1,
    fma_latency=8,
    l1_bytes=32 * KIB,
    lane_operands=False,
    ways=(2, 16),
    sources={
        "simd_bits, vector_registers": "Armv7-A with NEON: 16 vector registers of 128 bits",
        "lane_operands": "Armv7-A: the fused multiply-add takes whole registers only",
        "fma_per_cycle": f"8 float32 operations a cycle, {_INFERRED}",
        "loads_per_cycle, fma_latency": OUR_CHOICE,
        "l1_bytes": FROM_MEMORY,
    },
)
