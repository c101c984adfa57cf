"""Caches of a target, as the profiler simulates them."""

from __future__ import annotations

from dataclasses import dataclass

from blockfront.targets.hardware.target import Target


@dataclass(frozen=True)
class Cache:
    """One level: its size in bytes and its ways."""

    bytes: int
    ways: int


@dataclass(frozen=True)
class Caches:
    """Data caches of a group of cores: a first level each, a second each or `l2_shared`, a third for all or None.

    `write_streaming`: whether a run of stores fetches no lines, as on Arm's cores; on x86 every store does.
    `tlb_entries`: pages of 4 KiB whose addresses a core keeps translated.
    """

    l1: Cache
    l2: Cache
    l2_shared: bool
    l3: Cache | None = None
    line_bytes: int = 64
    tlb_entries: int = 512
    write_streaming: bool = True

    @property
    def last_bytes(self) -> int:
        """What the last level holds."""
        return (self.l3 or self.l2).bytes

    @property
    def inner_bytes(self) -> int:
        """What the level before the last holds."""
        return (self.l2 if self.l3 else self.l1).bytes

    def arguments(self) -> list[str]:
        """What the plugin is told."""
        levels = [("l1", self.l1), ("l2", self.l2)] + ([("l3", self.l3)] if self.l3 else [])
        sizes = [f"{name}={level.bytes // level.ways // self.line_bytes}x{level.ways}" for name, level in levels]
        return [
            *sizes,
            f"line={self.line_bytes}",
            f"tlb={self.tlb_entries}",
            *["shared=on"] * self.l2_shared,
            *["streaming=on"] * self.write_streaming,
        ]


def caches_of(target: Target) -> Caches:
    """The caches of a target, by its figures."""
    return Caches(
        l1=Cache(target.l1_bytes, target.l1_ways),
        l2=Cache(target.l2_bytes, target.l2_ways),
        l2_shared=target.l2_shared,
        l3=Cache(target.l3_bytes, target.l3_ways) if target.l3_bytes else None,
        write_streaming=target.architecture != "x86_64",
    )
