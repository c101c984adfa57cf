"""What a program executed under emulation, region by region."""

from __future__ import annotations

import msgspec

from blockfront.results.counts import Counts

SLOW = 10
"""As so many instructions of its class a division or a root is counted."""


class Region(msgspec.Struct, frozen=True):
    """A stretch that runs on several cores at once, one task each, or on one."""

    tasks: tuple[Counts, ...]


class Profile(msgspec.Struct, frozen=True):
    """Regions in the order of execution."""

    regions: tuple[Region, ...]

    @property
    def total(self) -> Counts:
        """The sum over all regions and tasks."""
        return sum((task for region in self.regions for task in region.tasks), Counts())

    @property
    def parallel_regions(self) -> int:
        """Regions of several tasks."""
        return sum(len(region.tasks) > 1 for region in self.regions)
