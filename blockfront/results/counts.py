"""What a program executed under emulation."""

from __future__ import annotations

import msgspec


class Counts(msgspec.Struct, frozen=True):
    """What one core executed in one stretch of a program.

    The first six are executed instructions by class; `vector` is all arithmetic on vectors and floats but
    multiply-adds, and an instruction that computes with an operand in memory is a `load` as well; a division or a root
    counts ten times, and once in `divisions`. `load_bytes` and `store_bytes` are what they moved. `l1_misses` are
    lines fetched into the first level of data cache, `l1_streamed` those of them that a stream prefetcher would have
    fetched ahead; so for the other levels, with zeros for a third that there is not. `written_back` are dirty lines
    that left for memory. `dataflow_32` to `dataflow_256` are the cycles that values wait for one another on a core that
    looks so many instructions ahead and has units without end. `multiply_add` includes dot products of bytes, and
    `widening`, the multiplications of integers whose results are twice as wide.
    """

    multiply_add: int = 0
    vector: int = 0
    load: int = 0
    store: int = 0
    branch: int = 0
    integer: int = 0
    load_bytes: int = 0
    store_bytes: int = 0
    l1_misses: int = 0
    l1_streamed: int = 0
    l2_misses: int = 0
    l2_streamed: int = 0
    l3_misses: int = 0
    l3_streamed: int = 0
    written_back: int = 0
    tlb_misses: int = 0
    dataflow_32: int = 0
    dataflow_64: int = 0
    dataflow_128: int = 0
    dataflow_256: int = 0
    divisions: int = 0
    widening: int = 0

    @property
    def instructions(self) -> int:
        """All executed instructions; one that computes with an operand in memory counts twice."""
        return self.multiply_add + self.vector + self.load + self.store + self.branch + self.integer

    def __mul__(self, times: int) -> Counts:
        return Counts(*(times * count for count in msgspec.structs.astuple(self)))

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(sum, zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)))
