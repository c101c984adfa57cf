"""torch module to the layers that a simulator models and the data that everything else moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import nn
from torch.fx.node import map_aggregate, map_arg
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from blockfront.errors import RunError
from blockfront.results.latency import Coverage
from blockfront.signature import Signature
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.latency.accelerators.layers import Layer, Operator, Pair, product
from blockfront.targets.latency.accelerators.operators import ELEMENTWISE, VIEWS, copies, operator_name

LEAST_SHARE = 0.99
"""Of a network's MACs, what must be layers."""


@dataclass(frozen=True)
class Move:
    """An operator that is no layer: elements of activations it reads and writes, its arithmetic left out.

    `run`: of a copy of an image's values, the channels that stay beside each other; 0 where that is not asked.
    """

    name: str
    read: int
    written: int
    run: int = 0


@dataclass(frozen=True)
class Workload:
    """A network: how often each distinct layer and each distinct move occurs in one inference.

    `fused`: element-wise operators that their producer applies as it writes, by name; `addressing`: operators that
    move nothing; `foreign`: MACs in operators that are no layers, by name.
    """

    layers: Mapping[Layer, int]
    moves: Mapping[Move, int]
    fused: Mapping[str, int]
    addressing: Mapping[str, int]
    foreign: Mapping[str, int]

    @cached_property
    def macs(self) -> int:
        """Of all layers."""
        return sum(layer.macs * calls for layer, calls in self.layers.items())

    @property
    def mac_share(self) -> float:
        """Share of the network's MACs that are layers."""
        total = self.macs + sum(self.foreign.values())
        return self.macs / total if total else 0.0

    @property
    def activation_share(self) -> float:
        """Share of layers in the activation elements that are written to memory."""
        layers = sum(layer.outputs * calls for layer, calls in self.layers.items())
        moves = sum(move.written * calls for move, calls in self.moves.items())
        return layers / (layers + moves) if layers else 0.0

    @property
    def coverage(self) -> Coverage:
        """What a latency says of it."""
        return Coverage(
            macs=self.mac_share,
            activations=self.activation_share,
            fused=dict(self.fused),
            addressing=dict(self.addressing),
            foreign=dict(self.foreign),
        )


def small_workload() -> Workload:
    """One small convolution, by which a model shows that it answers."""
    return make_workload(nn.Conv2d(3, 8, 3, padding=1).eval(), Signature.image(8))


def make_workload(module: nn.Module, signature: Signature) -> Workload:
    """The workload of one inference of `module` in evaluation mode, at batch 1; batch norms are folded.

    - Convolutions, linear layers, matrix products and the two products of attention are layers.
    - An element-wise operator of one activation is applied by the operator before it as that writes its output, if
      nobody else reads that output.
    - Views, splits, concatenations and reshapes move nothing, unless torch must copy.
    - Everything else (additions, pooling, softmax, norms, copies …) reads its inputs and writes its output once.

    Raises RunError when less than 99 % of the MACs are in layers.
    """
    reader = _Reader()
    for node in export_module(module, signature).graph.nodes:
        if node.op == "call_function":
            reader.read(node)
    workload = Workload(
        dict(reader.layers), dict(reader.moves), dict(reader.fused), dict(reader.addressing), dict(reader.foreign)
    )
    if workload.mac_share < LEAST_SHARE:
        lacking = ", ".join(f"{name} ({macs / 1e6:.1f} M)" for name, macs in workload.foreign.items())
        raise RunError(
            f"only {workload.mac_share:.1%} of the MACs are in layers that are modelled, not {LEAST_SHARE:.0%}; "
            + (f"it lacks {lacking}" if lacking else "there are none")
        )
    return workload


class _Reader:
    """Sorts the calls of a graph, in order."""

    def __init__(self) -> None:
        self.layers: Counter[Layer] = Counter()
        self.moves: Counter[Move] = Counter()
        self.fused: Counter[str] = Counter()
        self.addressing: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self._views: set[Any] = set()

    def read(self, node: Any) -> None:
        """Take one call."""
        name = operator_name(node)
        layers = _LAYERS[name](node) if name in _LAYERS else []
        if layers:
            self.layers.update(layers)
            if name == "scaled_dot_product_attention":
                scores = layers[0].outputs
                self.moves[Move("softmax", scores, scores)] += 1
        elif name in VIEWS and not copies(node):
            self._views.add(node)
            self.addressing[name] += 1
        elif name in ELEMENTWISE and self._fuses(node):
            self.fused[name] += 1
        else:
            inputs = [source for source in dict.fromkeys(node.all_input_nodes) if source.op != "get_attr"]
            run = _run(inputs[0]) if name in VIEWS else 0
            self.moves[Move(name, sum(map(_elements, inputs)), _elements(node), run)] += 1
            macs = macs_of_call(node)
            if macs:
                self.foreign[name] += macs

    def _fuses(self, node: Any) -> bool:
        sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
        return len(sources) == 1 and self._is_applied(sources[0])

    def _is_applied(self, source: Any) -> bool:
        """Whether what works on `source` alone can be done where it is computed: nobody else reads it on its way."""
        if source.op != "call_function" or len(source.users) != 1:
            return False
        return source not in self._views or all(map(self._is_applied, source.all_input_nodes))


def _run(source: Any) -> int:
    """Channels of each of the groups that a view of (batch, channels, groups, height, width) shuffles; else 0."""
    shape = _shape(source)
    return shape[1] if len(shape) == 5 else 0


def _elements(node: Any) -> int:
    value = node.meta["val"]
    return value.numel() if isinstance(value, torch.Tensor) else sum(part.numel() for part in value)


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


def _convolution(node: Any) -> list[Layer]:
    def argument(position: int, default: Any) -> Any:
        return node.args[position] if len(node.args) > position else default

    _, in_chs, *image = _shape(node.args[0])
    _, out_chs, *size = _shape(node)
    groups, padding = argument(6, 1), argument(4, [0, 0])
    kernel, dilation = _pair(_shape(node.args[1])[2:]), _pair(argument(5, [1, 1]))
    if padding == "valid":
        around = ((0, 0), (0, 0))
    elif padding == "same":
        around = _same(kernel, dilation)
    else:
        vertical, horizontal = _pair(padding)
        around = ((vertical, vertical), (horizontal, horizontal))
    return [
        Layer(
            operator="Conv",
            groups=groups,
            out_chs=out_chs // groups,
            in_chs=in_chs // groups,
            size=_pair(size),
            image=_pair(image),
            kernel=kernel,
            stride=_pair(argument(3, [1, 1])),
            dilation=dilation,
            padding=around,
        )
    ]


def _pair(values: Any) -> Pair:
    first, *rest = values
    return int(first), int(rest[0] if rest else first)


def _same(kernel: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    vertical, horizontal = (step * (extent - 1) for extent, step in zip(kernel, dilation, strict=True))
    return (vertical // 2, vertical - vertical // 2), (horizontal // 2, horizontal - horizontal // 2)


def _linear(node: Any) -> list[Layer]:
    *rows, in_chs = _shape(node.args[0])
    return [product("Gemm", 1, prod(rows), in_chs, _shape(node)[-1])]


def _matrix_product(node: Any) -> list[Layer]:
    """Of (…, rows, in_chs) and (…, in_chs, out_chs); a matrix without a batch serves the whole batch as weights."""
    first, second = node.args[-2:]
    a, b = _shape(first), _shape(second)
    if len(a) < 2 or len(b) < 2:
        return []
    operator: Operator = "Gemm" if second.op == "get_attr" else "MatMul"
    if prod(b[:-2]) == 1:
        return [product(operator, 1, prod(a[:-1]), a[-1], b[-1])]
    return [product(operator, prod(_shape(node)[:-2]), a[-2], a[-1], b[-1])]


def _attention(node: Any) -> list[Layer]:
    """Queries (…, rows, width) by keys (…, keys, width), then the weights by values (…, keys, out)."""
    query, key, value = map(_shape, node.args[:3])
    heads = prod(query[:-2])
    return [
        product("MatMul", heads, query[-2], query[-1], key[-2]),
        product("MatMul", heads, query[-2], key[-2], value[-1]),
    ]


_LAYERS = {
    "conv2d": _convolution,
    "linear": _linear,
    "matmul": _matrix_product,
    "mm": _matrix_product,
    "bmm": _matrix_product,
    "addmm": _matrix_product,
    "baddbmm": _matrix_product,
    "scaled_dot_product_attention": _attention,
}


class _MacCounter(TorchDispatchMode):
    """Adds up MACs by torch's own formulas: half of its FLOPs."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.macs += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=output) // 2
        return output


def _empty_like(leaf: Any) -> Any:
    return torch.empty_like(leaf) if isinstance(leaf, torch.Tensor) else leaf


def macs_of_call(node: Any) -> int:
    """What torch counts in a call, done on tensors without data."""

    def empty(source: Any) -> Any:
        # What was recorded in inference mode could not be changed in place.
        return map_aggregate(source.meta["val"], _empty_like)

    args, kwargs = (map_arg(given, empty) for given in (node.args, node.kwargs))
    with torch.no_grad(), _MacCounter() as counter:
        node.target(*args, **kwargs)
    return counter.macs
