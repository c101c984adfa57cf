"""A module to the same module in int8: calibrated, rounded, and computed in exact integer arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from blockfront.agreement.outputs import compare, tensors
from blockfront.evaluation import in_evaluation
from blockfront.signature import Signature
from blockfront.targets.compiler.importing.rules import Node
from blockfront.targets.compiler.randomize import random_constants
from blockfront.targets.quantization.absorbing import absorb_constants
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.emitting import Emitter
from blockfront.targets.quantization.finetuning import FakeQuantized
from blockfront.targets.quantization.forms import (
    CONCATENATIONS,
    MOVES,
    activations,
    aten_name,
    find_integer,
    find_ranged,
    is_layer,
)
from blockfront.targets.quantization.noise import Decibels
from blockfront.targets.quantization.observers import OBSERVERS, Batch, Ends, observe_values
from blockfront.targets.quantization.recording import Recorded, as_returned, record
from blockfront.targets.quantization.sensitivity import LayerNoise, bias_correction, layer_noise
from blockfront.targets.quantization.wide_floats import with_wide_floats

_RANDOM_SAMPLES = 4
RANDOM_INPUTS = "random inputs: it says nothing of accuracy, all of latency"
"""What the ranges of `quantize_untrained` are from."""

EXACT = 1e-6
"""Off by no step of an integer, up to the float32 that the last layer gives."""
AFTER_FLOATS = 1e-2
"""Where float32 operators lie between integers, a rounding of theirs may move values by one step: what a hundred such
change is a tenth of this, and what a wrong operator changes is far more."""
FLIPS, MOST = 4, 0.1
"""Or this many times what torch's outputs change where float64 lies between the integers, and this at most: in a deep
transformer steps that moved move others."""


class QuantizedNetwork(nn.Module):
    """A network in int8: operators of `torch.ops.blockfront`, and float32 where those have no form.

    It takes and gives what the network takes and gives. `float_operators` are the names of the operators, as ATen has
    them, that are float32, each once.
    """

    def __init__(self, operators: GraphModule, recorded: Recorded, float_operators: tuple[str, ...]) -> None:
        super().__init__()
        self.operators = operators
        self.float_operators = float_operators
        self._batched = recorded.batched
        self._outputs = recorded.outputs

    def tolerances(self, inputs: Sequence[Tensor]) -> dict[str, float]:
        """What compiled outputs may be off by for these inputs, as `Signature.tolerances`: see `EXACT`, `AFTER_FLOATS`
        and `FLIPS`."""
        quantized = (
            node.args[0] for node in self.operators.graph.nodes if node.target is torch.ops.blockfront.quantize.default
        )
        if all(node.op == "placeholder" for node in quantized):
            return dict.fromkeys(self._outputs, EXACT)
        with torch.no_grad():
            narrow, wide = self.operators(*inputs), with_wide_floats(self.operators, inputs)
        off = [compare(one.numpy(), other.numpy())[1] for one, other in zip(narrow, wide, strict=True)]
        allowed = [min(max(AFTER_FLOATS, FLIPS * error), MOST) for error in off]
        return dict(zip(self._outputs, allowed, strict=True))

    def bounded(self, signature: Signature, seed: int) -> Signature:
        """The signature with these `tolerances` where it has none, for the inputs that `seed` draws."""
        return replace(signature, tolerances={**self.tolerances(signature.random(seed)), **signature.tolerances})

    def forward(self, *inputs: Tensor) -> object:
        """What the network gives; images one by one where its operators take no more.

        Raises `TypeError` for float64, in which values would be rounded to other integers.
        """
        if any(one.dtype == torch.float64 for one in inputs):
            raise TypeError("a quantised network takes float32")
        # torch's maximum pooling of int8 refuses images whose channels lie innermost.
        inputs = tuple(one.contiguous() for one in inputs)
        if self._batched or len(inputs[0]) == 1:
            return as_returned(self.operators(*inputs), self._outputs)
        each = [self.operators(*(one[i : i + 1] for one in inputs)) for i in range(len(inputs[0]))]
        return as_returned(tuple(map(torch.cat, zip(*each, strict=True))), self._outputs)


@dataclass(frozen=True)
class Quantizer:
    """A network as it was recorded, which of its operators are integer, and how their values are int8s.

    `corrections` are added to the biases of layers.
    """

    recorded: Recorded
    integer: frozenset[Node]
    affines: Mapping[Node, Affine]
    corrections: Mapping[Node, Tensor]

    def network(self) -> QuantizedNetwork:
        """The network in int8."""
        with torch.no_grad():
            emitter = Emitter(self.recorded, self.integer, self.affines, self.corrections)
            graph = emitter.emit()
        computed = [node for node in self.recorded.graph.nodes if "val" in node.meta and node.op == "call_function"]
        floats = {aten_name(node) for node in computed if node not in self.integer and aten_name(node) not in MOVES}
        return QuantizedNetwork(GraphModule(emitter.constants, graph), self.recorded, tuple(sorted(floats)))

    def noise(self, images: Tensor) -> tuple[LayerNoise, ...]:
        """What each layer costs by itself; none for a network that takes images one by one."""
        if not self.recorded.batched:
            return ()
        with torch.no_grad():
            return layer_noise(self.recorded, self.integer, self.affines, images)

    def decibels(self, module: nn.Module, images: Tensor) -> float:
        """What int8 leaves of the outputs of `module`, which was recorded, on `images`."""
        noise = Decibels()
        with torch.no_grad():
            rounded = tensors(self.network()(images))
            for name, values in tensors(module(images)).items():
                noise.add(values, rounded[name])
        return noise.value

    def rounded(self) -> FakeQuantized:
        """The network in float32 with the values its int8s will have, for training."""
        return FakeQuantized(self.recorded, self.integer, self.affines)

    def with_constants(self, constants: dict[str, Tensor]) -> Quantizer:
        """The same for weights that training found, which needs no corrections."""
        return replace(self, recorded=replace(self.recorded, constants=constants), corrections={})


def calibrated(
    module: nn.Module,
    signature: Signature,
    calibration: Iterable[Batch],
    observer: str = next(iter(OBSERVERS)),
    floats: Iterable[str] = (),
) -> Quantizer:
    """What `quantize_module` makes of `module`, before it is made."""
    calibration = list(calibration)
    with torch.no_grad():
        recorded = record(module, signature, several=any(len(batch[0]) > 1 for batch in calibration))
        absorb_constants(recorded)
        integer = find_integer(recorded, frozenset(floats))
        layers = [node for node in recorded.graph.nodes if node in integer and is_layer(node)]
        ranges, means = observe_values(recorded, find_ranged(recorded, integer), layers, calibration, observer)
        corrections = {node: bias_correction(recorded, node, mean) for node, mean in means.items()}
    affines = {node: Affine.spanning(*ends) for node, ends in join_ranges(recorded, integer, ranges).items()}
    return Quantizer(recorded, integer, affines, corrections)


def quantize_module(
    module: nn.Module,
    signature: Signature,
    calibration: Iterable[Batch],
    observer: str = next(iter(OBSERVERS)),
    floats: Iterable[str] = (),
) -> QuantizedNetwork:
    """`module`, which is on the CPU and in evaluation mode from then on, in int8.

    Ranges are those that `observer` finds for the batches of `calibration`. Layers of the names `floats` stay float32.
    Where these are of several images, the network takes several at once. Raises `RunError` for a module that cannot be
    recorded.
    """
    return calibrated(module, signature, calibration, observer, floats).network()


def quantize_untrained(
    module: nn.Module, signature: Signature, seed: int, floats: Iterable[str] = ()
) -> QuantizedNetwork:
    """`module` in int8 for a latency, with no data: the ranges are those of a few random inputs.

    What is constant in it is random, as in whatever is compiled without data (`random_constants`).
    """
    samples = [signature.random(seed + i) for i in range(_RANDOM_SAMPLES)]
    with random_constants(in_evaluation(module), seed, samples[0]):
        return quantize_module(module, signature, samples, "minmax", floats)


def join_ranges(recorded: Recorded, integer: frozenset[Node], ranges: Mapping[Node, Ends]) -> dict[Node, Ends]:
    """Ranges in which a concatenation and its parts have one, where that costs a part no more than a bit.

    A part whose own range is less than half as wide keeps it, and passes by a table.
    """
    found = dict(ranges)
    concatenations = [node for node in recorded.graph.nodes if node in integer and aten_name(node) in CONCATENATIONS]
    # A part may be of several, and what they have together reaches the next one in a round.
    for _ in concatenations:
        for node in concatenations:
            roots = [node, *(_root(part, ranges) for part in activations(node))]
            near = [root for root in roots if 2 * _width(ranges[root]) >= _width(found[node])]
            together = min(found[root][0] for root in near), max(found[root][1] for root in near)
            found |= {root: together for root in near if 2 * _width(ranges[root]) >= _width(together)}
    return found


def _root(node: Node, ranges: Mapping[Node, Ends]) -> Node:
    """Where the values of a node are computed that only moves them."""
    while node not in ranges:
        node = activations(node)[0]
    return node


def _width(ends: Ends) -> float:
    return max(ends[1], 0.0) - min(ends[0], 0.0)
