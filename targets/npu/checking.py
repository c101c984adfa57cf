"""A network's operators against an NPU's published list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from blockfront.signature import Signature
from blockfront.targets.npu.published_lists import Bounds, Npu, broken_bound
from blockfront.targets.npu.uses import Use, uses_of

Verdict = Literal["npu", "processor", "not said"]
"""Where an operator runs, as far as the vendor's documents say."""


@dataclass(frozen=True)
class Placed:
    """An operator, where it runs and why; `led` is one that follows another to the processor."""

    use: Use
    verdict: Verdict
    why: str
    led: bool = False


@dataclass(frozen=True)
class NpuCheck:
    """All operators of a network against one NPU's list."""

    npu: Npu
    operators: tuple[Placed, ...]

    @property
    def verdict(self) -> Verdict:
        """`npu` when all operators are taken, `not said` when none is known to fall back but some are left open."""
        found = {one.verdict for one in self.operators}
        return "processor" if "processor" in found else "not said" if "not said" in found else "npu"

    def of(self, verdict: Verdict) -> list[Placed]:
        """The operators with that verdict, in order."""
        return [one for one in self.operators if one.verdict == verdict]

    def mac_share(self, verdict: Verdict) -> float:
        """Share of the network's MACs with that verdict."""
        total = sum(one.use.macs for one in self.operators)
        return sum(one.use.macs for one in self.of(verdict)) / total if total else 0.0

    def layers(self, verdict: Verdict) -> int:
        """How many operators with MACs have that verdict."""
        return sum(one.use.macs > 0 for one in self.of(verdict))

    @property
    def causes(self) -> Counter[str]:
        """The kinds of operators that fall back of themselves, with how many there are."""
        return Counter(one.use.kind for one in self.of("processor") if not one.led)


def check_module(module: nn.Module, signature: Signature, npus: Sequence[Npu]) -> list[NpuCheck]:
    """A module in evaluation mode against the list of each NPU; raises RunError where it cannot be exported."""
    uses = uses_of(module, signature)
    return [check_uses(uses, npu) for npu in npus]


def check_uses(uses: Sequence[Use], npu: Npu) -> NpuCheck:
    """The same for operators that were read before."""
    judged: list[Placed] = []
    for use in uses:
        one = _judge(use, npu)
        follows = any(judged[place].verdict == "processor" for place in use.reads)
        if npu.one_piece is not None and follows and one.verdict != "processor":
            one = Placed(use, "processor", npu.one_piece, led=True)
        judged.append(one)
    return NpuCheck(npu, tuple(judged))


def _judge(use: Use, npu: Npu) -> Placed:
    entry = npu.entry(use.kind)
    if entry.processor is not None:
        return Placed(use, "processor", entry.processor)
    if entry.not_said is not None:
        return Placed(use, "not said", entry.not_said)
    own: Bounds | None = {}
    if entry.variants is not None:
        if use.variant not in entry.variants:
            listed = f"{entry.operators} is listed for {', '.join(entry.variants)}"
            return Placed(use, "processor", entry.otherwise or listed)
        own = entry.variants[use.variant]
    if own is None:
        return Placed(use, "not said", f"{entry.operators} of {use.variant} is not mentioned")
    broken = broken_bound({**npu.limits, **entry.limits, **own}, use)
    if broken is not None:
        return Placed(use, "processor", f"{entry.operators}: {broken}")
    return Placed(use, "npu", entry.operators or "")
