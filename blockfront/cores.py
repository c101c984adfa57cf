"""How many cores this process may keep busy: those it may run on, and the share of time that control groups give it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from blockfront.files import stripped_text

ROOT = Path("/")


@dataclass(frozen=True)
class Cores:
    """`affinity`: the cores it may run on; `quota`: how many of them it may keep busy on average, None for all."""

    affinity: int
    quota: float | None = None

    @property
    def usable(self) -> int:
        """Whole cores within both, at least one: a thread more than the quota has stops all of them in turn."""
        return max(1, min(self.affinity, self.affinity if self.quota is None else int(self.quota)))

    def __str__(self) -> str:
        quota = "no quota" if self.quota is None else f"a quota of {self.quota:g}"
        return f"{self.usable} usable (affinity to {self.affinity}, {quota})"


def usable_cores() -> int:
    """Cores that this process may keep busy."""
    return find_cores().usable


def find_cores(root: Path = ROOT) -> Cores:
    """What the system says now; `root` is where /proc and the mounts of control groups are looked for."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Cores(affinity, min(_quotas(root), default=None))


def _quotas(root: Path) -> Iterator[float]:
    """Of every control group of this process, and of those it is in: the least of them holds.

    Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and Documentation/scheduler/sched-bwc.rst (version 1).
    """
    paths = dict(_paths(root))
    for line in stripped_text(root / "proc/self/mountinfo").splitlines():
        mounted, _, system = line.partition(" - ")
        # What is unified has no controllers in its options: its own type names it.
        kind, _, options = [*system.split(" "), "", ""][:3]
        group = paths.get("" if kind == "cgroup2" else "cpu")
        if group is None or not (kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(","))):
            continue
        shown, point = (_unescaped(field) for field in mounted.split(" ")[3:5])
        folder = root / point.lstrip("/")
        for level in _levels(PurePosixPath(group), PurePosixPath(shown)):
            quota = _quota(folder / level)
            if quota is not None:
                yield quota


def _paths(root: Path) -> Iterator[tuple[str, str]]:
    """Controller to this process's group; the unified hierarchy's has no name."""
    for line in stripped_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        yield from ((controller, path) for controller in controllers.split(","))


def _levels(group: PurePosixPath, shown: PurePosixPath) -> Iterator[PurePosixPath]:
    """A group and those around it below a mount that shows `shown`; the mount alone for a group it does not show."""
    inside = group.relative_to(shown) if group.is_relative_to(shown) else PurePosixPath()
    inside = PurePosixPath() if ".." in inside.parts else inside
    yield from (inside, *(inside.parents))


def _quota(folder: Path) -> float | None:
    """Cores' worth of time a group may take; None where it has no limit of its own."""
    limit, period = [*stripped_text(folder / "cpu.max").split(), "", ""][:2]
    if not limit:
        limit, period = stripped_text(folder / "cpu.cfs_quota_us"), stripped_text(folder / "cpu.cfs_period_us")
    return int(limit) / int(period) if limit.isdigit() and period.isdigit() and int(limit) and int(period) else None


def _unescaped(field: str) -> str:
    """A path as mountinfo has it: blanks and the like are octal there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), field)
