"""Fake quantisation: a network that computes in float32 what its int8s would hold, so that training gets used to it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from blockfront.integer import HIGHEST, LOWEST
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.forms import is_layer
from blockfront.targets.quantization.recording import Recorded


class _Rounded(torch.autograd.Function):
    """Values of an int8, whose gradient passes where none is clamped: the straight-through estimator."""

    @staticmethod
    def forward(ctx, values: Tensor, scale: Tensor, zero_point: int, low: int) -> Tensor:  # type: ignore[no-untyped-def]
        steps = (values / scale).round() + zero_point
        ctx.save_for_backward((steps >= low) & (steps <= HIGHEST))
        return (steps.clamp(low, HIGHEST) - zero_point) * scale

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None


def _activations(values: Tensor, scale: float, zero_point: int) -> Tensor:
    return _Rounded.apply(values, torch.tensor(scale), zero_point, LOWEST)


def _weights(weight: Tensor) -> Tensor:
    """As `symmetric` rounds them; the scales follow the weights."""
    peaks = weight.detach().abs().flatten(1).amax(1) / HIGHEST
    scales = torch.where(peaks > 0, peaks, 1.0).reshape(-1, *[1] * (weight.dim() - 1))
    return _Rounded.apply(weight, scales, 0, -HIGHEST)


class FakeQuantized(nn.Module):
    """The float32 operators of a network for any number of images, rounded where its int8s will be.

    Weights and biases of layers are parameters; batch norms are folded into them. `constants` are the tensors of the
    recorded graph as training left them.
    """

    def __init__(self, recorded: Recorded, integer: frozenset[Node], affines: Mapping[Node, Affine]) -> None:
        super().__init__()
        graph = Graph()
        copies: dict[Node, Node] = {}
        for node in recorded.graph.nodes:
            copy: Node = graph.node_copy(node, copies.__getitem__)
            copies[node] = copy
            if node in affines:
                copies[node] = graph.call_function(_activations, (copy, affines[node].scale, affines[node].zero_point))
            if node in integer and is_layer(node):
                weight = copy.args[1]
                with graph.inserting_before(copy):
                    copy.replace_input_with(weight, graph.call_function(_weights, (weight,)))
        trained = {
            part.target
            for node in recorded.graph.nodes
            if is_layer(node)
            for part in (argument(node, 1, "weight"), argument(node, 2, "bias"))
            if part is not None
        }
        constants = recorded.constants
        values = constants | {name: nn.Parameter(constants[name].clone()) for name in trained}
        self.operators = GraphModule(values, graph)
        self._single = len(recorded.outputs) == 1

    def forward(self, *inputs: Tensor) -> object:
        outputs = self.operators(*inputs)
        return outputs[0] if self._single else outputs

    @property
    def constants(self) -> dict[str, Tensor]:
        """The tensors of the recorded graph, by name."""
        own = {**dict(self.operators.named_buffers()), **dict(self.operators.named_parameters())}
        return {name: value.detach().clone() for name, value in own.items()}
