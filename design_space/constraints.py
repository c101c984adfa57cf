"""Bounds on what networks cost: what is counted of them, and what is known once they are compiled for a target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from blockfront.errors import RunError, UsageError, unknown
from blockfront.plurals import counted
from blockfront.results.cost import Cost

Constraints = Mapping[str, tuple[float, float]]

COSTS = ("macs", "params", "activations")
"""Counted before anything is compiled: a network outside such bounds is not drawn."""

PROFILED = ("flash_bytes", "ram_bytes", "latency_ms")
"""Columns that profiling on a target gives: a network outside such bounds was drawn, and is rejected."""

_JOINED = " and "


def check_constraints(constraints: Constraints) -> None:
    """Raise `UsageError` for what is neither counted nor profiled and for bounds that are no (low, high)."""
    known = (*COSTS, *PROFILED)
    for name, bounds in constraints.items():
        if name not in known:
            raise unknown("constraint", name, known, otherwise=f"use {', '.join(known[:-1])} or {known[-1]}")
        if not isinstance(bounds, tuple | list) or len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1]:
            raise UsageError(f"constraint {name!r} is (low, high) with 0 <= low <= high, not {bounds!r}")


def broken_constraints(cost: Cost, constraints: Constraints) -> tuple[str, ...]:
    """The names of the constraints that `cost` breaks; both bounds are allowed."""
    bounds = _counted(constraints)
    return tuple(name for name, (low, high) in bounds.items() if not low <= getattr(cost, name) <= high)


def why_rejected(row: Mapping[str, Any], constraints: Constraints) -> str | None:
    """Which bounds a profiled network is outside of, in one line; None where it is in all.

    `row` is its row of columns. Raises `RunError` for one that profiling did not give here.
    """
    broken = []
    for name in PROFILED:
        if name not in constraints:
            continue
        low, high = constraints[name]
        if row[name] is None:
            raise RunError(f"the space bounds {name}, which {row['toolchain']} gives none of; leave the constraint out")
        if not low <= row[name] <= high:
            broken.append(f"{name} is outside {low:g} to {high:g}")
    return _JOINED.join(broken) or None


def broken_by_count(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """Each bound that `why_rejected` named in any of `reasons`, and in how many, the commonest first."""
    return Counter(broken for reason in reasons for broken in reason.split(_JOINED)).most_common()


def _counted(constraints: Constraints) -> Constraints:
    return {name: bounds for name, bounds in constraints.items() if name in COSTS}


def explain_refusals(costs: Iterable[Cost], constraints: Constraints) -> str:
    """Why none of `costs` was accepted: the constraints nothing met, and how close the nearest came."""
    tried, constraints = list(costs), _counted(constraints)
    misses = {name: sum(name in broken_constraints(cost, constraints) for cost in tried) for name in constraints}
    impossible = [name for name, count in misses.items() if count == len(tried)] or [
        name for name, count in misses.items() if count
    ]
    ranges = []
    for name in impossible:
        seen = [getattr(cost, name) for cost in tried]
        low, high = constraints[name]
        ranges.append(f"{name} {low:,.0f} to {high:,.0f} (they had {min(seen):,} to {max(seen):,})")
    return (
        f"none of {counted(len(tried), 'network')} met {' and '.join(ranges)}; widen the constraint or the dimensions"
    )
