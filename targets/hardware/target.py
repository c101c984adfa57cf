"""Hardware a network is compiled for, and the figures a prediction on it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tvm

from blockfront.errors import UsageError
from blockfront.python_file import is_file_reference, load_object
from blockfront.registry import Registry
from blockfront.targets.hardware.machine import Machine

FIGURES = (
    *("cores", "cpus", "clock_ghz", "simd_bits", "vector_registers", "fma_per_cycle", "loads_per_cycle"),
    *("fma_latency", "lane_operands", "l1_bytes", "l1_ways", "l2_bytes", "l2_ways", "l2_shared", "l3_bytes", "l3_ways"),
    *("bandwidth_gbs", "memory_gbs", "launch_us"),
)
"""The fields of a target that describe its hardware."""


@dataclass(frozen=True)
class Target:
    """A group of equal cores of one board, or a GPU: its cores are its multiprocessors, its vectors warps.

    `tvm_target` is TVM's target dict without `num-cores`; a GPU's names its `host`. `simd_bits`, `vector_registers`,
    `fma_per_cycle` (vector multiply-adds started a cycle), `loads_per_cycle` and `fma_latency` describe a core;
    caches are in bytes, L2 as one core of a busy group sees it, `l2_shared` when all cores have one together, and
    `l3_bytes` 0 without a third level for all; `lane_operands`: see `Machine`; `bandwidth_gbs` is
    what the group copies from memory in 10⁹ bytes a second; `launch_us` is the cost of starting a kernel on all
    cores; `memory_gbs` is what memory takes or gives in 10⁹ bytes a second, where one core cannot copy that fast, else
    None; `cpus` are the core numbers on the board to pin to, empty for any. `sources` says where each figure is
    from; a figure marked "unverified" there was not found in a text.
    """

    name: str
    title: str
    tvm_target: Mapping[str, Any]
    cores: int
    clock_ghz: float
    simd_bits: int
    vector_registers: int
    fma_per_cycle: float
    bandwidth_gbs: float
    loads_per_cycle: int = 1
    fma_latency: int = 4
    l1_bytes: int = 32 * 1024
    l1_ways: int = 4
    l2_bytes: int = 512 * 1024
    l2_ways: int = 16
    l2_shared: bool = True
    l3_bytes: int = 0
    l3_ways: int = 16
    lane_operands: bool = False
    launch_us: float = 5.0
    memory_gbs: float | None = None
    cpus: tuple[int, ...] = ()
    key: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UsageError(f"target name {self.name!r}: use lower-case letters, digits and underscores")
        for name in ("cores", "clock_ghz", "simd_bits", "vector_registers", "fma_per_cycle", "bandwidth_gbs"):
            if not getattr(self, name) > 0:
                raise UsageError(f"target {self.name}: {name} must be positive, not {getattr(self, name)!r}")

    @property
    def tracker_key(self) -> str:
        """Under which name devices of this target are known to an RPC tracker."""
        return self.key or self.name

    def source_of(self, figure: str) -> str:
        """Where one of the `FIGURES` is from; "not given" when `sources` does not say."""
        return next((text for names, text in self.sources.items() if figure in names.split(", ")), "not given")

    def check_threads(self, threads: int | None) -> int:
        """`threads`, or all cores when None; raises `UsageError` unless the target has that many cores."""
        if threads is None:
            return self.cores
        if self.is_gpu and threads != self.cores:
            raise UsageError(f"target {self.name} is a GPU and always runs on all of itself; leave --threads out")
        if not 1 <= threads <= self.cores:
            raise UsageError(f"target {self.name} has {self.cores} cores; --threads must be 1 to {self.cores}")
        return threads

    def compiler(self) -> tvm.target.Target:
        """TVM's target. LLVM's third level would unroll what the schedules have unrolled as far as it pays."""
        if self.is_gpu:
            return tvm.target.Target(dict(self.tvm_target))
        return tvm.target.Target({"opt-level": 2, **self.tvm_target, "num-cores": self.cores})

    def machine(self, threads: int) -> Machine:
        """What the schedules need to know, for `threads` cores."""
        return Machine(
            lanes=self.simd_bits // 32,
            registers=self.vector_registers,
            threads=threads,
            fma_per_cycle=self.fma_per_cycle,
            loads_per_cycle=self.loads_per_cycle,
            fma_latency=self.fma_latency,
            l1_bytes=self.l1_bytes,
            l2_bytes=self.l2_bytes,
            lane_operands=self.lane_operands,
        )

    @property
    def traffic_gbs(self) -> float:
        """10⁹ bytes a second that memory gives or takes from all cores together."""
        # A copy of one byte moves two.
        return max(self.memory_gbs or 0.0, 2 * self.bandwidth_gbs)

    def peak_macs(self, threads: int) -> float:
        """float32 multiply-accumulates a second on `threads` cores."""
        return threads * self.clock_ghz * 1e9 * self.fma_per_cycle * self.simd_bits / 32

    @property
    def is_host(self) -> bool:
        """Whether code for this target runs on this machine."""
        return self.name in ("host", "host_avx2", "cuda")

    @property
    def is_gpu(self) -> bool:
        """Whether this is a GPU."""
        return self.device_type != "cpu"

    @property
    def device_type(self) -> str:
        """What TVM calls such a device: cpu, cuda or opencl."""
        kind = str(self.tvm_target["kind"])
        return "cpu" if kind == "llvm" else kind

    @property
    def triple(self) -> str:
        """LLVM's triple of the processor, or of the one beside the GPU; empty when the target does not say."""
        return str(self.tvm_target.get("host", self.tvm_target).get("mtriple", ""))

    @property
    def architecture(self) -> str:
        """The instruction set by LLVM's name, such as aarch64; empty when the target does not say."""
        return self.triple.partition("-")[0]


TARGETS: Registry[Target] = Registry("target")


def get_target(ref: str) -> Target:
    """The target of that name, or `file.py:name` from the user's own file.

    Raises `UsageError` for an unknown name, for an accelerator (see `find_hardware`), and for a file that is missing,
    does not import or lacks the name.
    """
    if ref == "cuda" and ref not in TARGETS:
        raise UsageError(
            "no GPU here that TVM can use: that needs NVIDIA's driver and CUDA 13's runtime library; "
            "bench targets lists the GPUs of boards"
        )
    if not is_file_reference(ref):
        from blockfront.targets.hardware.accelerator import ACCELERATORS

        if ref in ACCELERATORS:
            raise UsageError(
                f"{ref} is an accelerator, which networks are simulated on, not compiled for: "
                "bench sample, profile and compare take it"
            )
        return TARGETS[ref]
    target: Target = load_object(ref, lambda value: isinstance(value, Target), "Target")
    return target
