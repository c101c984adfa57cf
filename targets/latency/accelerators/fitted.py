"""What a network takes on an NPU of which a few rates were fitted on published latencies.

- A layer takes as long as the longer of its weights, from the flash, and its work; weights come while others are
  multiplied (ST Edge AI Core 3.0, "ST Neural-ART NPU concepts").
- Its work is its multiply-adds at the nominal peak. A layer in groups, which depthwise ones are, reads and writes its
  activations at a rate of their own besides, once for each part that its window is cut into: windows are at most 3
  high and 6 wide, 12 with a stride ("Supported operators and limitations").
- Operators without multiply-adds read and write what they move, but for what their producer applies and for
  addressing, which are free.
- On the processor, at a time for each value: means over more than 8 × 8 pixels, whose windows the NPU would have to cut
  too often, and copies that shuffle channels in runs of no whole number of eight.
"""

from __future__ import annotations

from dataclasses import dataclass

from blockfront.errors import RunError
from blockfront.results.latency import KernelTime
from blockfront.targets.hardware.fitted import FittedNpu
from blockfront.targets.latency.accelerators.layers import Layer
from blockfront.targets.latency.accelerators.workload import Move, Workload

WINDOW_HEIGHT, WINDOW_WIDTHS = 3, (6, 12)
"""The largest window in one part; its width without and with a stride."""
LARGEST_MEAN, CHANNELS = 8 * 8, 8
"""Pixels of a mean on the NPU, and channels that are moved together there."""

_MEANS = frozenset({"mean", "adaptive_avg_pool2d"})
_COPIES = frozenset({"contiguous", "clone", "reshape", "flatten", "unflatten"})
_ACTIVATIONS = frozenset(
    {
        *("clamp", "clamp_max", "clamp_min", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "prelu", "relu"),
        *("relu6", "sigmoid", "silu", "tanh"),
    }
)
_MOVES = (
    _MEANS | _COPIES | _ACTIVATIONS | {"add", "sub", "mul", "div", "maximum", "minimum", "max_pool2d", "avg_pool2d"}
)


@dataclass(frozen=True)
class FittedPart:
    """A distinct layer or other operator: what makes its time, and what one call is.

    `rule` is "array", "weights", "grouped", "moves" or "processor".
    """

    name: str
    rule: str
    calls: int
    macs: int
    elements: int
    ms: float

    def kernel(self, total: float) -> KernelTime:
        """All calls together; `total` milliseconds are the network's."""
        ms = self.calls * self.ms
        return KernelTime(
            self.name, self.calls, ms, self.calls * self.macs, self.calls * self.elements, ms / total, self.rule
        )


def fitted_parts(workload: Workload, npu: FittedNpu) -> list[FittedPart]:
    """Every layer and every other operator with its time.

    Raises `RunError` for operators that nothing is known of.
    """
    _check(workload, npu)
    layers = [_layer(layer, calls, npu) for layer, calls in workload.layers.items()]
    return layers + [_move(move, calls, npu) for move, calls in workload.moves.items()]


def fitted_ms(workload: Workload, npu: FittedNpu) -> float:
    """Milliseconds of an inference. Raises `RunError` as `fitted_parts` does."""
    return sum(part.calls * part.ms for part in fitted_parts(workload, npu))


def _check(workload: Workload, npu: FittedNpu) -> None:
    unknown = {move.name for move in workload.moves} - _MOVES
    unknown |= set(workload.fused) - _ACTIVATIONS - _MOVES
    unknown |= {"a product of two activations" for layer in workload.layers if layer.operator == "MatMul"}
    if unknown:
        raise RunError(
            f"{npu.name} knows no cost of {', '.join(sorted(unknown))}: ST's NPU leaves that to its processor, and no "
            "published latency is of a network with it"
        )


def _layer(layer: Layer, calls: int, npu: FittedNpu) -> FittedPart:
    height, width = layer.kernel
    inputs = layer.groups * layer.in_chs * layer.image[0] * layer.image[1]
    times = {
        "weights": layer.groups * layer.out_chs * layer.in_chs * height * width / npu.weights_gbs,
        "array": layer.macs / (npu.macs_per_cycle * npu.clock_ghz),
    }
    if layer.groups > 1:
        cuts = -(-height // WINDOW_HEIGHT) * -(-width // WINDOW_WIDTHS[layer.stride[1] > 1])
        times["grouped"] = times.pop("array") + cuts * (inputs + layer.outputs) / npu.grouped_gbs
    rule = max(times, key=lambda name: times[name])
    return FittedPart(layer.name, rule, calls, layer.macs, layer.elements, times[rule] * 1e-6)


def _move(move: Move, calls: int, npu: FittedNpu) -> FittedPart:
    values = max(move.read, move.written)
    left = move.read > LARGEST_MEAN * move.written if move.name in _MEANS else move.run % CHANNELS != 0
    rule, nanoseconds = (
        ("processor", values * npu.processor_ns) if left else ("moves", (move.read + move.written) / npu.moves_gbs)
    )
    return FittedPart(move.name, rule, calls, 0, move.read + move.written, nanoseconds * 1e-6)
