"""What rounding costs each layer: in the mean, which its bias takes back, and of the network's outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx.node import map_arg

from blockfront.plurals import counted
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.emitting import symmetric
from blockfront.targets.quantization.forms import LINEAR, aten_name, clamp_after, is_layer
from blockfront.targets.quantization.noise import Decibels
from blockfront.targets.quantization.recording import Recorded


@dataclass(frozen=True)
class LayerNoise:
    """A layer by its name in the recorded graph, what it is, and the dB that it alone in int8 leaves of the outputs."""

    name: str
    what: str
    snr_db: float


def layer_noise(
    recorded: Recorded, integer: frozenset[Node], affines: Mapping[Node, Affine], images: Tensor
) -> tuple[LayerNoise, ...]:
    """Every integer layer, the one that costs most first, by its weights and its output in int8 on `images`.

    All layers after one run again for it: take few images.
    """
    nodes = list(recorded.graph.nodes)
    plain = _run(recorded, nodes, {}, images)
    outputs = nodes[-1].args[0]
    found = []
    for place, node in enumerate(nodes):
        if node not in integer or not is_layer(node):
            continue
        weight = argument(node, 1, "weight")
        changed = {**{one: plain[one] for one in nodes[:place]}, weight: rounded_weights(plain[weight])}
        result = clamp_after(node, integer) or node
        values = _run(recorded, nodes[place:], changed, images, {result: affines[result]} if result in affines else {})
        noise = Decibels()
        for one in outputs:
            noise.add(plain[one], values[one])
        found.append(LayerNoise(node.name, described_layer(node), round(noise.value, 2)))
    return tuple(sorted(found, key=lambda one: one.snr_db))


def rounded_weights(weight: Tensor) -> Tensor:
    """Weights (O, ...) as their int8s have them."""
    steps, scales = symmetric(weight)
    return steps * scales.reshape(-1, *[1] * (weight.dim() - 1))


def bias_correction(recorded: Recorded, layer: Node, mean: Tensor) -> Tensor:
    """What a layer's outputs (O,) are off by in the mean, because its weights are rounded, with its sign turned.

    `mean` is that of what it reads, (I,); borders count as images do. Nagel et al. 2019, arXiv:1906.04721, section 4.2.
    """
    weight = recorded.constants[argument(layer, 1, "weight").target]
    error = rounded_weights(weight) - weight
    if aten_name(layer) == LINEAR:
        return -(error @ mean)
    flat = mean.reshape(1, -1, 1, 1).expand(1, -1, *weight.shape[2:])
    return -torch.nn.functional.conv2d(flat, error, groups=argument(layer, 6, "groups", 1)).flatten()


def described_layer(node: Node) -> str:
    """What a layer is, such as "3x3 convolution of 24 to 48 channels"."""
    weight = argument(node, 1, "weight").meta["val"].shape
    if aten_name(node) == LINEAR:
        return f"linear layer of {weight[1]} to {weight[0]}"
    groups = argument(node, 6, "groups", 1)
    kernel = f"{weight[2]}x{weight[3]}"
    if groups == weight[0]:
        return f"{kernel} depthwise convolution of {counted(groups, 'channel')}"
    return f"{kernel} convolution of {weight[1] * groups} to {counted(weight[0], 'channel')}"


def _run(
    recorded: Recorded,
    nodes: Iterable[Node],
    values: dict[Node, Any],
    images: Tensor,
    affines: Mapping[Node, Affine] | None = None,
) -> dict[Node, Any]:
    """All values of a graph, of which some are known; those that `affines` names as their int8s have them."""
    for node in nodes:
        if node in values:
            continue
        if node.op == "placeholder":
            values[node] = images
        elif node.op == "get_attr":
            values[node] = recorded.constants[node.target]
        elif node.op == "call_function":
            args, kwargs = (map_arg(given, values.__getitem__) for given in (node.args, node.kwargs))
            value = node.target(*args, **kwargs)
            if affines and node in affines:
                affine = affines[node]
                value = (affine.steps(value).float() - affine.zero_point) * affine.scale
            values[node] = value
    return values
