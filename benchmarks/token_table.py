"""From latencies of plain and reduced networks to the share of the theoretical gain that arrives, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latency_table import markdown


@dataclass(frozen=True)
class Reduced:
    """A reduced network on one device; `macs` leaves out what the method itself multiplies.

    `sliced_ms`: of the network that keeps as many tokens and merely slices; `other_ms` and `other_plain_ms`: another
    engine's times of this network and the plain one. None where not measured.
    """

    model: str
    method: str
    target: float
    macs: float
    plain_macs: float
    ms: float
    plain_ms: float
    sliced_ms: float | None = None
    other_ms: float | None = None
    other_plain_ms: float | None = None

    @property
    def arrives(self) -> float:
        """The share of the theoretical gain that arrives: 1 where time falls as MACs do."""
        return gain(self.ms, self.plain_ms) / gain(self.macs, self.plain_macs)

    @property
    def other_arrives(self) -> float | None:
        """The same of the other engine, against its own plain network."""
        if self.other_ms is None or self.other_plain_ms is None:
            return None
        return gain(self.other_ms, self.other_plain_ms) / gain(self.macs, self.plain_macs)

    @property
    def overhead_ms(self) -> float | None:
        """Milliseconds of scoring, matching, gathering and weighing."""
        return None if self.sliced_ms is None else self.ms - self.sliced_ms


def gain(value: float, plain: float) -> float:
    """The share that is saved."""
    return 1 - value / plain


def table(rows: Sequence[Reduced], other: str | None) -> str:
    """A row a network, after each model's plain one; `other` names the other engine, where there is one."""
    heads = ["model", "method", "target", "MMACs", "of plain", "ms", "of plain", "gain that arrives", "overhead ms"]
    heads += [f"{other} ms", f"{other}: gain that arrives"] if other else []
    lines = []
    for model in dict.fromkeys(row.model for row in rows):
        its = [row for row in rows if row.model == model]
        first = its[0]
        plain = next((row.other_plain_ms for row in its if row.other_plain_ms is not None), None)
        line = [model, "plain", "", f"{first.plain_macs / 1e6:.0f}", "100 %", f"{first.plain_ms:.2f}", "100 %", "", ""]
        lines.append(line + ([_ms(plain), ""] if other else []))
        lines += [_line(row) + ([_ms(row.other_ms), _share(row.other_arrives)] if other else []) for row in its]
    return markdown(heads, lines)


def _line(row: Reduced) -> list[str]:
    shares = [f"{100 * part / whole:.0f} %" for part, whole in ((row.macs, row.plain_macs), (row.ms, row.plain_ms))]
    arrives = _share(row.arrives) if row.ms <= row.plain_ms else "slower than plain"
    overhead = "" if row.overhead_ms is None else f"{row.overhead_ms:.2f}"
    named = [row.model, row.method, f"{row.target:g}"]
    return [*named, f"{row.macs / 1e6:.0f}", shares[0], f"{row.ms:.2f}", shares[1], arrives, overhead]


def verdict(rows: Sequence[Reduced], target: float, goal: float) -> str:
    """One line: whether every method at `target` reaches the `goal`, and which do not."""
    judged = {f"{row.model} {row.method}": row.arrives for row in rows if row.target == target}
    if not judged:
        return f"Nothing was timed at {target:g}."
    missed = {name: share for name, share in judged.items() if share < goal}
    least = min(judged, key=judged.__getitem__)
    said = f"At {target:g} at least {goal:.0%} of the gain should arrive"
    if not missed:
        return f"{said}, and does for all {len(judged)}: {least} has the least, {judged[least]:.0%}."
    return f"{said}; {len(missed)} of {len(judged)} miss it: {_listed(missed)}."


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}" if value >= 0 else "slower than plain"
