"""Bounds on the cost of networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from blockfront.errors import UsageError, unknown
from blockfront.results.cost import Cost

Constraints = Mapping[str, tuple[float, float]]

COSTS = ("macs", "params", "activations")


def check_constraints(constraints: Constraints) -> None:
    """Raise `UsageError` for a cost that is not counted and for bounds that are no (low, high)."""
    for name, bounds in constraints.items():
        if name not in COSTS:
            raise unknown("constraint", name, COSTS, otherwise="use macs, params or activations")
        if len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1]:
            raise UsageError(f"constraint {name!r} is (low, high) with 0 <= low <= high, not {bounds!r}")


def broken_constraints(cost: Cost, constraints: Constraints) -> tuple[str, ...]:
    """The names of the constraints that `cost` breaks; both bounds are allowed."""
    return tuple(name for name, (low, high) in constraints.items() if not low <= getattr(cost, name) <= high)


def explain_refusals(costs: Iterable[Cost], constraints: Constraints) -> str:
    """Why none of `costs` was accepted: the constraints nothing met, and how close the nearest came."""
    tried = list(costs)
    misses = {name: sum(name in broken_constraints(cost, constraints) for cost in tried) for name in constraints}
    impossible = [name for name, count in misses.items() if count == len(tried)] or [
        name for name, count in misses.items() if count
    ]
    ranges = []
    for name in impossible:
        seen = [getattr(cost, name) for cost in tried]
        low, high = constraints[name]
        ranges.append(f"{name} {low:,.0f} to {high:,.0f} (they had {min(seen):,} to {max(seen):,})")
    return f"none of {len(tried)} networks met {' and '.join(ranges)}; widen the constraint or the dimensions"
