"""Observers: which range of a tensor's values its int8s span, from what it held for the calibration images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx import Interpreter

from blockfront.targets.compiler.importing.rules import Node
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.forms import LINEAR, aten_name
from blockfront.targets.quantization.recording import Recorded

Batch = Sequence[Tensor]
"""One tensor for each input of a module; of images any number, where its operators take any."""

Ends = tuple[float, float]
_SAMPLED = 4096
"""Values that are kept of each batch."""
_SHARES = torch.linspace(1.0, 0.3, 29)
"""Of the whole range, among which the least square error chooses."""
_TAIL = 5e-5
"""What the percentiles leave out at either end."""


@dataclass
class Seen:
    """What a tensor held: its least and greatest value, and some of the others."""

    low: float = float("inf")
    high: float = -float("inf")
    sample: list[Tensor] = field(default_factory=list)

    def add(self, values: Tensor, generator: torch.Generator) -> None:
        """Take note of one more batch."""
        flat = values.detach().flatten()
        low, high = flat.aminmax()
        self.low, self.high = min(self.low, float(low)), max(self.high, float(high))
        chosen = torch.randint(len(flat), (min(_SAMPLED, len(flat)),), generator=generator)
        self.sample.append(flat[chosen])

    def range(self, observer: str) -> Ends:
        """As an observer has it."""
        return OBSERVERS[observer](torch.cat(self.sample), self.low, self.high)


def _whole(sample: Tensor, low: float, high: float) -> Ends:
    """From the least to the greatest value."""
    return low, high


def _percentiles(sample: Tensor, low: float, high: float) -> Ends:
    """Without the outermost values, 1 in 20 000 at either end."""
    ordered = sample.sort().values
    place = int(len(ordered) * _TAIL)
    return float(ordered[place]), float(ordered[-1 - place])


def _least_squares(sample: Tensor, low: float, high: float) -> Ends:
    """The share of the whole range, from both ends, in which the mean square error is least."""

    def error(share: float) -> float:
        affine = Affine.spanning(share * low, share * high)
        steps = (sample / affine.scale).round_().add_(affine.zero_point).clamp_(-128, 127)
        return float(steps.sub_(affine.zero_point).mul_(affine.scale).sub_(sample).square_().mean())

    share = min(_SHARES.tolist(), key=error)
    return share * low, share * high


OBSERVERS: Mapping[str, Callable[[Tensor, float, float], Ends]] = {
    "minmax": _whole,
    "percentile": _percentiles,
    "mse": _least_squares,
}
"""By name, the default first; each takes a sample of the values, the least and the greatest."""


def observe_values(
    recorded: Recorded, ranged: Iterable[Node], layers: Iterable[Node], calibration: Iterable[Batch], observer: str
) -> tuple[dict[Node, Ends], dict[Node, Tensor]]:
    """Over the batches of `calibration`, the ranges of operators' values, and the means (I,) of what `layers` read."""
    seen = {node: Seen() for node in ranged}
    read: dict[Node, list[Tensor]] = {node: [] for node in layers}
    of_name = {node.name: node for node in (*seen, *read)}
    generator = torch.Generator().manual_seed(0)

    class Observing(Interpreter):
        def run_node(self, n: Node) -> object:
            node = of_name.get(n.name)
            if node in read:
                values = self.env[n.args[0]]
                channels = values.dim() - 1 if aten_name(node) == LINEAR else 1
                read[node].append(values.transpose(0, channels).flatten(1).mean(1))
            value = super().run_node(n)
            if node in seen:
                seen[node].add(value, generator)
            return value

    running = Observing(recorded.module())
    for batch in calibration:
        for images in [batch] if recorded.batched else zip(*(one.split(1) for one in batch), strict=True):
            running.run(*images)
    ranges = {node: one.range(observer) for node, one in seen.items()}
    return ranges, {node: torch.stack(means).mean(0) for node, means in read.items()}
