"""Hardware that TVM makes code for: processors and GPUs, and the figures that predictions on them need."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import tvm

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.targets.hardware.halves import has_halves
from blockfront.targets.hardware.hardware import Hardware, find_hardware, require
from blockfront.targets.hardware.instruction_set import instruction_set
from blockfront.targets.hardware.integer import byte_products
from blockfront.targets.hardware.llvm_names import check_names
from blockfront.targets.hardware.machine import Machine

FIGURES = (
    *("cores", "cpus", "clock_ghz", "simd_bits", "vector_registers", "fma_per_cycle", "loads_per_cycle"),
    *("fma_latency", "lane_operands", "l1_bytes", "l1_ways", "l2_bytes", "l2_ways", "l2_shared", "l3_bytes", "l3_ways"),
    *("bandwidth_gbs", "memory_gbs", "launch_us"),
)
"""The fields of a target that describe its hardware."""


SHARED = 0.85
"""What memory gives all cores at once over what it gives one: fitted to published times of four
threads on twelve boards (docs/prediction.md)."""


@dataclass(frozen=True)
class Target(Hardware):
    """A group of equal cores of one board, or a GPU: its cores are its multiprocessors, its vectors warps.

    `tvm_target` is TVM's target dict without `num-cores`; a GPU's names its `host`. `simd_bits`, `vector_registers`,
    `fma_per_cycle` (vector multiply-adds started a cycle), `loads_per_cycle` and `fma_latency` describe a core;
    caches are in bytes, L2 as one core of a busy group sees it, `l2_shared` when all cores have one together, and
    `l3_bytes` 0 without a third level for all; `lane_operands`: see `Machine`; `bandwidth_gbs` is
    what the group copies from memory in 10⁹ bytes a second; `launch_us` is the cost of starting a kernel on all
    cores; `memory_gbs` is what memory takes or gives in 10⁹ bytes a second, where one core cannot copy that fast, else
    None; `cpus` are the core numbers on the board to pin to, empty for any; `key` is the name that the board's server
    registers with, where that is not the target's.
    """

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

    positive: ClassVar[tuple[str, ...]] = (
        *("cores", "clock_ghz", "simd_bits", "vector_registers", "fma_per_cycle", "bandwidth_gbs"),
    )
    unemulated: ClassVar[str | None] = None
    """Why QEMU runs no code of its kind; None where it may."""
    only_bounded: ClassVar[str | None] = None
    """Why nobody should take the catalogue's figures for a prediction unasked; None where one may."""
    serves: ClassVar[bool] = True
    """Whether a server of TVM's can run there, through which a network is measured."""

    @abstractmethod
    def compiler(self) -> tvm.target.Target:
        """TVM's target."""

    @abstractmethod
    def check_threads(self, threads: int | None) -> int:
        """As of all hardware, and there is always a number."""

    def check_room(self, flash_bytes: int, ram_bytes: int) -> None:
        """Raise `RunError` for a network that takes more memory than there is, where that is known."""

    @property
    def tracker_key(self) -> str:
        """Under which name devices of this target are known to an RPC tracker."""
        return self.key or self.name

    @property
    def traffic_gbs(self) -> float:
        """10⁹ bytes a second that memory gives or takes from one core."""
        # A copy of one byte moves two.
        return max(self.memory_gbs or 0.0, 2 * self.bandwidth_gbs)

    @property
    def all_cores_gbs(self) -> float:
        """10⁹ bytes a second that memory gives or takes from all cores together."""
        return SHARED * self.traffic_gbs

    def peak_macs(self, threads: int) -> float:
        """float32 multiply-accumulates a second on `threads` cores."""
        return threads * self.clock_ghz * 1e9 * self.fma_per_cycle * self.simd_bits / 32

    def peak(self, threads: int | None) -> tuple[float, float]:
        """Of `threads` cores, and what all copy from memory."""
        return 2 * self.peak_macs(self.check_threads(threads)) / 1e9, self.bandwidth_gbs

    def figures(self) -> dict[str, tuple[object, str]]:
        """Those of `FIGURES` that it has."""
        found = {name: (getattr(self, name), self.source_of(name)) for name in FIGURES}
        return {name: figure for name, figure in found.items() if figure[0] not in ((), None)}

    def row(self) -> dict[str, object]:
        """With its cores and their clock."""
        return super().row() | {"cores": self.cores, "clock GHz": self.clock_ghz}

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
        """The instruction set, such as aarch64; empty when the target does not say."""
        return instruction_set(self.triple)


@dataclass(frozen=True)
class Processor(Target):
    """Cores of a processor, whose code LLVM makes and our rules schedule."""

    described: ClassVar[str] = "a processor"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device_type != "cpu":
            raise UsageError(f"target {self.name}: code of kind {self.tvm_target['kind']} is for a Gpu")

    def check_threads(self, threads: int | None) -> int:
        """`threads`, or all cores when None; raises `UsageError` unless there are that many cores."""
        if threads is None:
            return self.cores
        if not 1 <= threads <= self.cores:
            raise UsageError(
                f"target {self.name} has {counted(self.cores, 'core')}; --threads must be 1 to {self.cores}"
            )
        return threads

    def pool_threads(self, threads: int | None) -> int:
        """One a core."""
        return self.check_threads(threads)

    def compiler(self) -> tvm.target.Target:
        """TVM's target. LLVM's third level would unroll what the schedules have unrolled as far as it pays."""
        check_names(self.tvm_target)
        return tvm.target.Target({"opt-level": 2, **self.tvm_target, "num-cores": self.cores})

    def machine(self, threads: int) -> Machine:
        """What the schedules need to know, for `threads` cores."""
        check_names(self.tvm_target)
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
            byte_products=byte_products(self.tvm_target),
            halves=has_halves(self.tvm_target),
        )


@dataclass(frozen=True)
class Gpu(Target):
    """A GPU, whose code is CUDA C or OpenCL C and whose kernels dlight schedules."""

    described: ClassVar[str] = "a GPU, whose schedules are dlight's: bench tune and bench calibrate are for processors"
    unemulated: ClassVar[str | None] = "QEMU emulates processors, not graphics"
    only_bounded: ClassVar[str | None] = "the catalogue's figures of a GPU give a bound alone"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device_type == "cpu":
            raise UsageError(f"target {self.name}: code of kind llvm is for a Processor")

    def check_threads(self, threads: int | None) -> int:
        """All of it, always; raises `UsageError` for less."""
        if threads not in (None, self.cores):
            raise UsageError(f"target {self.name} is a GPU and always runs on all of itself; leave --threads out")
        return self.cores

    def compiler(self) -> tvm.target.Target:
        """TVM's target."""
        return tvm.target.Target(dict(self.tvm_target))


def get_target(ref: str) -> Target:
    """The processor or GPU of that name, or `file.py:name` from the user's own file.

    Raises `UsageError` as `find_hardware` does, and for hardware that is neither.
    """
    return require(find_hardware(ref), Target)


def get_processor(ref: str) -> Processor:
    """The same for what only a processor is good for."""
    return require(find_hardware(ref), Processor)
