"""The model of a core: coefficients that turn a profile into milliseconds on a board."""

from __future__ import annotations

from math import sqrt
from typing import Protocol

import msgspec
import numpy as np

from blockfront.targets.latency.profiler.counts import SLOW, Counts, Profile

LINE_BYTES = 64
UNITS = {
    "multiply_add": "cycles a vector multiply-add",
    "other": "cycles any other instruction that touches no memory",
    "word": "cycles a vector loaded; a store takes as many as the core loads in a cycle",
    "division": "cycles a division or a root; 0 where it counts as ten other instructions",
    "dataflow": "times the cycles that values wait for one another",
    "l1_line": "cycles a line that L1 lacks and L2 or L3 has",
    "l2_line": "cycles more for one that L3 has and L2 lacks",
    "memory_line_ns": "ns a line from memory that no prefetcher had asked for, beside its transfer",
    "transfer": "times the transfer of a line at the board's copy bandwidth",
}
"""What each coefficient is."""
WIDENING = {"cortex-a76": 2.0, "cortex-x1": 2.0}
"""Times a vector multiply-add that a multiplication of integers takes whose result is twice as wide, by core: of the
units half do those, as Arm's optimization guides have it (from memory; unverified). On other cores it is one."""
_IN_CORE = 5
"""The first of them are work of the core itself."""
WINDOWS = (32, 45, 64, 91, 128, 181, 256)
"""Instructions that a core may look ahead: those that the profiler supposes, and between each two their mean."""
_L1_LINE = list(UNITS).index("l1_line")
SHARED_BYTES = 16
"""Bytes a cycle from a second level that cores share, to all of them: as wide as the Cortex-A53's, A57's and A72's is,
and what published times of four threads say too (docs/prediction.md)."""


class Coefficients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What work costs a core, in the units of `UNITS`; none is negative.

    `overlap`: how the core's own work adds up, (Σ cycles^overlap)^(1 / overlap) over the first four units: 1 where one
    kind of work waits for the other, more where they overlap, as on a core that executes out of order.

    `window`: how many instructions ahead the core looks for work that waits for nothing, one of `WINDOWS`.

    `pairs`: the core issues two instructions at a time in order, as a Cortex-A53 does: a branch or a hint goes beside
    another and costs nothing, and half a vector takes half a load's time. Code written for such a core has its loads in
    halves and no-operations between them, so that they pair.
    """

    multiply_add: float
    other: float
    word: float
    l1_line: float
    memory_line_ns: float
    transfer: float
    dataflow: float = 0.0
    division: float = 0.0
    l2_line: float = 0.0
    overlap: float = 1.0
    pairs: bool = False
    window: int = 64

    def array(self) -> np.ndarray:
        """The coefficients in the order of `UNITS`: float64 [9]."""
        return np.array([getattr(self, name) for name in UNITS])


class Error(msgspec.Struct, frozen=True):
    """How far predictions were from `n` published or measured times that no coefficient was fitted on.

    `median` and `p90` are of |predicted / measured - 1|, `within_tenth` is the share of those up to 10 %; `data` says
    what was predicted: `code`'s code on `threads` cores of `boards`, in `fastest_ms` to `slowest_ms`. `board_known`:
    the fit had seen other times of the same board. `spread`: half the width, in logarithms, of the interval that is
    meant to hold nine of ten true times. `scaling_spread`: the same of how many times faster several threads are than
    one.
    """

    median: float
    p90: float
    n: int
    data: str
    spread: float
    within_tenth: float
    threads: int = 1
    code: str = "ours"
    boards: tuple[str, ...] = ()
    board_known: bool = False
    fastest_ms: float | None = None
    slowest_ms: float | None = None
    scaling_spread: float = 0.0

    @property
    def domain(self) -> str:
        """What was judged, in words."""
        size = "" if self.fastest_ms is None else f", {self.fastest_ms:.3g} to {self.slowest_ms:.3g} ms"
        plural = "" if self.threads == 1 else "s"
        return f"{self.n} {self.data}, {self.threads} thread{plural}{size}"


class BoardFigures(Protocol):
    """What the model needs to know of a board; a `Target` has it."""

    @property
    def clock_ghz(self) -> float:
        """Cycles in 10⁹ a second."""

    @property
    def bandwidth_gbs(self) -> float:
        """10⁹ bytes a second that one core copies, each byte counted once."""

    @property
    def traffic_gbs(self) -> float:
        """10⁹ bytes a second that memory gives or takes from one core."""

    @property
    def all_cores_gbs(self) -> float:
        """10⁹ bytes a second that memory gives or takes from all cores together."""

    @property
    def l2_shared(self) -> bool:
        """Whether the cores have one second level together."""

    @property
    def launch_us(self) -> float:
        """What a parallel region costs beside its tasks."""

    @property
    def simd_bits(self) -> int:
        """Bits of a vector, the most that one load gets."""

    @property
    def loads_per_cycle(self) -> int:
        """Loads a core starts in a cycle, of which it stores one."""

    @property
    def l3_bytes(self) -> int:
        """0 where memory comes after the second level."""


class CoreModel(msgspec.Struct, frozen=True):
    """A core's coefficients, where they are from, and their known errors, by number of threads.

    `boards` are the boards whose times the coefficients were fitted on. `int8`: for code that computes on bytes, whose
    instructions come in another mix.
    """

    core: str
    coefficients: Coefficients
    provenance: str
    errors: tuple[Error, ...] = ()
    boards: tuple[str, ...] = ()
    int8: bool = False

    def error(self, board: str, threads: int) -> Error | None:
        """That with as many threads, or the next fewer; of a board that was fitted on, where that was judged."""
        known = board in self.boards

        def rank(one: Error) -> tuple[bool, int, bool]:
            return one.threads > threads, abs(threads - one.threads), one.board_known != known

        return min(self.errors, key=rank, default=None)

    def milliseconds(self, profile: Profile, target: BoardFigures) -> float:
        """The time of `profile` on the cores of `target`: see `work_of` and `Work.milliseconds`."""
        known = self.coefficients
        return work_of(profile, target, known, self.core).milliseconds(known.array())


class Work(msgspec.Struct, frozen=True):
    """A profile on a board, ready for any coefficients.

    `tasks`: milliseconds of each task a unit of each coefficient, float64 [tasks, 9]; `starts`: where a region's tasks
    begin, int [regions]; `traffic_ms`: a region's bytes at the bandwidth of the memory, [regions]; `shared_ms`: how
    long a second level that all cores share takes for what the region asks of it, 0 for one task, [regions];
    `overhead_ms`: what starting the parallel regions costs; `overlap`: see `Coefficients`.
    """

    tasks: np.ndarray
    starts: np.ndarray
    traffic_ms: np.ndarray
    shared_ms: np.ndarray
    overhead_ms: float
    overlap: float

    def milliseconds(self, coefficients: np.ndarray) -> float:
        """The sum over regions, and what starting them costs."""
        return float(region_times(self, coefficients)[0].sum()) + self.overhead_ms


def region_times(work: Work, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds of each region of `work`, and what a unit more of each coefficient adds to them [regions, 9].

    A region takes as long as its slowest task, and no less than its traffic takes the memory. Where the level that
    cores share needs longer for all of them than that task spends on it, the task waits for as long as it does.
    """
    times, slopes = task_times(work.tasks, coefficients, work.overlap)
    regions = np.repeat(np.arange(len(work.starts)), np.diff(work.starts, append=len(times)))
    slowest = np.maximum.reduceat(times, work.starts)
    # The first of the slowest tasks of each region.
    candidates = np.flatnonzero(times == slowest[regions])
    first = candidates[np.unique(regions[candidates], return_index=True)[1]]
    slopes = slopes[first].copy()
    alone = work.tasks[first, _L1_LINE] * coefficients[_L1_LINE]
    waits = work.shared_ms > alone
    slowest = slowest + np.where(waits, work.shared_ms - alone, 0.0)
    slopes[waits, _L1_LINE] = 0.0
    slopes[work.traffic_ms > slowest] = 0.0
    return np.maximum(slowest, work.traffic_ms), slopes


def task_times(tasks: np.ndarray, coefficients: np.ndarray, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds of each row of `Work.tasks`, and what a unit more of each coefficient adds to them."""
    if overlap == 1:
        return tasks @ coefficients, tasks
    costs = tasks * coefficients
    core = costs[:, :_IN_CORE]
    inside = (core**overlap).sum(axis=1) ** (1 / overlap)
    shares = core / np.where(inside > 0, inside, 1)[:, None]
    slopes = np.concatenate([tasks[:, :_IN_CORE] * shares ** (overlap - 1), tasks[:, _IN_CORE:]], axis=1)
    return inside + costs[:, _IN_CORE:].sum(axis=1), slopes


def work_of(profile: Profile, target: BoardFigures, core: Coefficients, name: str = "") -> Work:
    """`profile` on `target`, in milliseconds a unit of each coefficient; of `core` only what is none counts.

    `name` is LLVM's of the core, for `WIDENING`.
    """
    widening = WIDENING.get(name, 1.0)
    counts = [task for region in profile.regions for task in region.tasks]
    sizes = [len(region.tasks) for region in profile.regions]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int) if sizes else np.zeros(0, int)
    cycle_ms = 1e-6 / target.clock_ghz
    line_ms = LINE_BYTES * 1e-6 / target.bandwidth_gbs
    units = np.array([*[cycle_ms] * 7, 1e-6, line_ms])
    tasks = np.array([_amounts(task, target, core, widening) for task in counts]).reshape(-1, len(UNITS)) * units
    together = np.array(sizes) > 1
    lines = np.array([_memory_lines(task, target)[0] + task.written_back for task in counts], float)
    traffic_ms = LINE_BYTES * 1e-6 / np.where(together, target.all_cores_gbs, target.traffic_gbs)
    asked = np.array([task.l1_misses for task in counts], float)
    shared_ms = LINE_BYTES / SHARED_BYTES * cycle_ms * together * target.l2_shared
    return Work(
        tasks,
        starts,
        _sums(lines, starts) * traffic_ms,
        _sums(asked, starts) * shared_ms,
        profile.parallel_regions * target.launch_us * 1e-3,
        core.overlap,
    )


def _sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


def _amounts(task: Counts, target: BoardFigures, core: Coefficients, widening: float) -> list[float]:
    """What the task has of each unit."""
    vector_bytes = target.simd_bits // 8
    least = 0.5 if core.pairs else 1
    loads = max(least * task.load, task.load_bytes / vector_bytes)
    stores = max(least * task.store, task.store_bytes / vector_bytes)
    memory, streamed = _memory_lines(task, target)
    others = task.vector + task.integer + (0 if core.pairs else task.branch)
    return [
        task.multiply_add + (widening - 1) * task.widening,
        others - (SLOW * task.divisions if core.division else 0),
        loads + target.loads_per_cycle * stores,
        task.divisions,
        _dataflow(task, core.window),
        task.l1_misses - memory,
        task.l2_misses - memory if target.l3_bytes else 0,
        memory - streamed,
        memory,
    ]


def _dataflow(task: Counts, window: int) -> float:
    """Cycles that values wait for one another, between two windows that were counted the geometric mean."""
    counted = {32: task.dataflow_32, 64: task.dataflow_64, 128: task.dataflow_128, 256: task.dataflow_256}
    if window in counted:
        return counted[window]
    larger = min(one for one in counted if one > window)
    return sqrt(counted[larger] * counted[larger // 2])


def _memory_lines(task: Counts, target: BoardFigures) -> tuple[int, int]:
    """Lines from memory, and those of them that a prefetcher had asked for."""
    return (task.l3_misses, task.l3_streamed) if target.l3_bytes else (task.l2_misses, task.l2_streamed)
