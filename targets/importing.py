"""ExportedProgram to Relax with images stored channels-last.

Every value carries the order in which its logical torch dimensions are stored: `order[i]` is the logical
dimension at stored position i, so stored = logical.permute(order). Convolutions store NHWC, permutations only
change the order, and an operator without a rule here gets its inputs restored to torch's own order. Channel
shuffles, ConvNeXt's permutes and flattening thereby cost what they must and nothing more.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.export import ExportedProgram
from tvm import IRModule, relax
from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from bench.targets.shapes import Order, identity, reshape_plan

_NHWC: Order = (0, 2, 3, 1)
_TOKENS = 16


def import_program(exported: ExportedProgram) -> IRModule:
    """Convert to a Relax module whose function `main` takes the image in torch's NCHW order.

    Operators TVM has no converter for are decomposed by torch first.
    """
    importer = _Importer()
    missing = importer.missing(exported)
    if missing:
        table = torch.export.default_decompositions()
        exported = exported.run_decompositions({op: table[op] for op in missing if op in table})
        importer = _Importer()
    return importer.from_exported_program(
        exported,
        keep_params_as_input=False,
        unwrap_unit_return_tuple=True,
        no_bind_return_tuple=False,
        custom_convert_map=None,
    )


class _Importer(ExportedProgramImporter):
    """TVM's converters, with channels-last rules in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.order: dict[fx.Node, Order] = {}

    def missing(self, exported: ExportedProgram) -> set[Any]:
        """Operators neither TVM nor this importer converts."""
        self.update_convert_map({})
        return {
            node.target
            for node in exported.graph.nodes
            if node.op == "call_function"
            and node.target.__name__ not in self.convert_map
            and _rule(node) is None
        }

    def _check_unsupported_func_type(self, nodes: Any) -> None:
        super()._check_unsupported_func_type(node for node in nodes if _rule(node) is None)

    def _translate_fx_graph(self, graph_module: Any, nodes: Any, inputs_vars: Any, custom_ops: Any = None) -> Any:
        for node in nodes:
            if node.op == "call_function":
                rule = _rule(node)
                if rule is None:
                    for source in node.all_input_nodes:
                        self.restore(source)
                    self.env[node] = self.convert_map[node.target.__name__](node)
                else:
                    rule(self, node)
            elif node.op == "placeholder":
                self.env[node] = inputs_vars[node.name]
            elif node.op == "get_attr":
                self.env[node] = getattr(graph_module, node.target)
            else:
                for source in node.all_input_nodes:
                    self.restore(source)
                return self._flatten_output_args(self.retrieve_args(node)[0])
        raise ValueError("the exported graph has no output")

    def emit(self, node: fx.Node, value: relax.Expr, order: Order | None = None) -> None:
        """Bind `node` to `value`, stored in `order` (torch's own by default)."""
        self.env[node] = self.block_builder.emit(value)
        if order is not None and order != identity(len(order)):
            self.order[node] = order

    def order_of(self, node: fx.Node) -> Order:
        return self.order.get(node) or identity(node.meta["val"].dim())

    def stored(self, node: fx.Node, order: Order) -> relax.Expr:
        """`node`'s value stored in `order`; a permutation is emitted where it is stored otherwise."""
        current = self.order_of(node)
        if current == order:
            return self.env[node]
        axes = [current.index(dimension) for dimension in order]
        return self.block_builder.emit(relax.op.permute_dims(self.env[node], axes))

    def restore(self, node: fx.Node) -> None:
        """Store `node` in torch's own order from here on."""
        if node in self.order:
            self.env[node] = self.stored(node, identity(len(self.order[node])))
            del self.order[node]

    def converted(self, node: fx.Node, order: Order) -> None:
        """Apply TVM's converter to the stored values as they are."""
        self.emit(node, self.convert_map[node.target.__name__](node), order)


def _argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _pair(value: Any) -> list[int]:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return values * 2 if len(values) == 1 else values


def _keep(importer: _Importer, node: fx.Node) -> None:
    importer.env[node] = importer.env[node.args[0]]
    if node.args[0] in importer.order:
        importer.order[node] = importer.order[node.args[0]]


def _unary(importer: _Importer, node: fx.Node) -> None:
    importer.converted(node, importer.order_of(node.args[0]))


def _clamp(importer: _Importer, node: fx.Node) -> None:
    # As maximum and minimum rather than clip, which has a slow select in its kernel for NaN.
    value, limits = importer.env[node.args[0]], list(node.args[1:3])
    name = node.target.__name__
    if name.startswith("relu6"):
        limits = [0.0, 6.0]
    elif name.startswith("hardtanh") and not limits:
        limits = [-1.0, 1.0]
    bounds = [*limits, *[None] * (2 - len(limits))]
    for bound, op in zip(bounds, (relax.op.maximum, relax.op.minimum), strict=True):
        if bound is not None:
            value = importer.block_builder.emit(op(value, relax.const(float(bound), "float32")))
    importer.emit(node, value, importer.order_of(node.args[0]))


def _hard(importer: _Importer, node: fx.Node) -> None:
    x = importer.env[node.args[0]]
    inner = relax.op.add(relax.op.multiply(x, relax.const(1 / 6, "float32")), relax.const(0.5, "float32"))
    zero, one = relax.const(0.0, "float32"), relax.const(1.0, "float32")
    gate = relax.op.minimum(relax.op.maximum(inner, zero), one)
    value = relax.op.multiply(x, gate) if "swish" in node.target.__name__ else gate
    importer.emit(node, value, importer.order_of(node.args[0]))


def _binary(importer: _Importer, node: fx.Node) -> None:
    operands = [argument for argument in node.args[:2] if isinstance(argument, fx.Node)]
    rank = node.meta["val"].dim()
    full = [operand for operand in operands if operand.meta["val"].dim() == rank]
    order = next((importer.order[operand] for operand in full if operand in importer.order), identity(rank))
    for operand in operands:
        tensor = operand.meta["val"]
        if tensor.dim() < rank and tensor.dim() > 0 and order != identity(rank):
            importer.restore(operand)
            shape = [1] * (rank - tensor.dim()) + list(tensor.shape)
            wide = importer.block_builder.emit(relax.op.reshape(importer.env[operand], shape))
            importer.env[operand] = importer.block_builder.emit(relax.op.permute_dims(wide, list(order)))
        elif tensor.dim() == rank:
            importer.env[operand] = importer.stored(operand, order)
            importer.order[operand] = order
    importer.converted(node, order)


def _convolution(importer: _Importer, node: fx.Node) -> None:
    data, weight = node.args[0], node.args[1]
    bias = _argument(node, 2, "bias")
    strides, padding = _pair(_argument(node, 3, "stride", 1)), _argument(node, 4, "padding", 0)
    dilation, groups = _pair(_argument(node, 5, "dilation", 1)), _argument(node, 6, "groups", 1)
    if isinstance(padding, str):
        kernel = weight.meta["val"].shape[2:]
        spans = [0 if padding == "valid" else d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = [span // 2 for span in spans] + [span - span // 2 for span in spans]
    else:
        pads = _pair(padding) * 2
    value = importer.block_builder.emit(
        relax.op.nn.conv2d(
            importer.stored(data, _NHWC),
            importer.stored(weight, (2, 3, 1, 0)),
            strides=strides,
            padding=pads,
            dilation=dilation,
            groups=groups,
            data_layout="NHWC",
            kernel_layout="HWIO",
        )
    )
    if bias is not None:
        value = relax.op.add(value, relax.op.reshape(importer.env[bias], [1, 1, 1, -1]))
    importer.emit(node, value, _NHWC)


def _pool(importer: _Importer, node: fx.Node) -> None:
    kernel = _pair(node.args[1])
    strides = _pair(_argument(node, 2, "stride") or kernel)
    pads = _pair(_argument(node, 3, "padding", 0)) * 2
    data = importer.stored(node.args[0], _NHWC)
    if node.target.__name__.startswith("max"):
        value = relax.op.nn.max_pool2d(
            data,
            pool_size=kernel,
            strides=strides,
            padding=pads,
            dilation=_pair(_argument(node, 4, "dilation", 1)),
            ceil_mode=bool(_argument(node, 5, "ceil_mode", False)),
            layout="NHWC",
        )
    else:
        value = relax.op.nn.avg_pool2d(
            data,
            pool_size=kernel,
            strides=strides,
            padding=pads,
            ceil_mode=bool(_argument(node, 4, "ceil_mode", False)),
            count_include_pad=bool(_argument(node, 5, "count_include_pad", True)),
            layout="NHWC",
        )
    importer.emit(node, value, _NHWC)


def _adaptive_average(importer: _Importer, node: fx.Node) -> None:
    size = _pair(node.args[1])
    data = importer.stored(node.args[0], _NHWC)
    if size == [1, 1]:
        importer.emit(node, relax.op.mean(data, [1, 2], keepdims=True), _NHWC)
    else:
        importer.emit(node, relax.op.nn.adaptive_avg_pool2d(data, size, layout="NHWC"), _NHWC)


def _mean(importer: _Importer, node: fx.Node) -> None:
    order = importer.order_of(node.args[0])
    rank = len(order)
    axes = sorted({axis % rank for axis in node.args[1]})
    keep = bool(_argument(node, 2, "keepdim", False))
    value = relax.op.mean(importer.env[node.args[0]], [order.index(axis) for axis in axes], keepdims=keep)
    if keep:
        importer.emit(node, value, order)
    else:
        left = [dimension for dimension in order if dimension not in axes]
        importer.emit(node, value, tuple(sorted(left).index(dimension) for dimension in left))


def _concatenate(importer: _Importer, node: fx.Node) -> None:
    sources = node.args[0]
    rank = node.meta["val"].dim()
    order = next((importer.order[source] for source in sources if source in importer.order), identity(rank))
    values = [importer.stored(source, order) for source in sources]
    importer.emit(node, relax.op.concat(values, axis=order.index(_argument(node, 1, "dim", 0) % rank)), order)


def _split(importer: _Importer, node: fx.Node) -> None:
    order = importer.order_of(node.args[0])
    axis = _argument(node, 2, "dim", 0) % len(order)
    sizes = [part.shape[axis] for part in node.meta["val"]]
    indices = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    value = importer.env[node.args[0]]
    if indices:
        importer.emit(node, relax.op.split(value, indices, axis=order.index(axis)))
    else:
        importer.env[node] = [value]
    importer.order[node] = order


def _item(importer: _Importer, node: fx.Node) -> None:
    source, index = node.args
    value = importer.env[source][index]
    importer.env[node] = importer.block_builder.emit(value) if isinstance(value, relax.Expr) else value
    if source in importer.order:
        importer.order[node] = importer.order[source]


def _slice(importer: _Importer, node: fx.Node) -> None:
    order = importer.order_of(node.args[0])
    axis = _argument(node, 1, "dim", 0) % len(order)
    extent = node.args[0].meta["val"].shape[axis]
    start, end = _argument(node, 2, "start") or 0, _argument(node, 3, "end")
    step = _argument(node, 4, "step", 1)
    start = max(start + extent, 0) if start < 0 else min(start, extent)
    end = extent if end is None else (end + extent if end < 0 else min(end, extent))
    if (start, end, step) == (0, extent, 1):
        _keep(importer, node)
        return
    value = relax.op.strided_slice(importer.env[node.args[0]], [order.index(axis)], [start], [end], [step])
    importer.emit(node, value, order)


def _select(importer: _Importer, node: fx.Node) -> None:
    order = importer.order_of(node.args[0])
    axis, index = node.args[1] % len(order), node.args[2]
    stored = order.index(axis)
    start = index % node.args[0].meta["val"].shape[axis]
    part = relax.op.strided_slice(importer.env[node.args[0]], [stored], [start], [start + 1])
    left = [dimension for dimension in order if dimension != axis]
    after = tuple(sorted(left).index(dimension) for dimension in left)
    importer.emit(node, relax.op.squeeze(importer.block_builder.emit(part), [stored]), after)


def _permute(importer: _Importer, node: fx.Node) -> None:
    source = node.args[0]
    rank = source.meta["val"].dim()
    axes = list(range(rank))
    if node.target.__name__ == "permute.default":
        axes = [axis % rank for axis in node.args[1]]
    else:
        first, second = (axis % rank for axis in node.args[1:3])
        axes[first], axes[second] = second, first
    order = tuple(axes.index(dimension) for dimension in importer.order_of(source))
    importer.env[node] = importer.env[source]
    if order != identity(rank):
        importer.order[node] = order


def _reshape(importer: _Importer, node: fx.Node) -> None:
    source = node.args[0]
    new = tuple(node.meta["val"].shape)
    plan = reshape_plan(tuple(source.meta["val"].shape), new, importer.order_of(source))
    value = importer.stored(source, plan.before)
    importer.emit(node, relax.op.reshape(value, [new[dimension] for dimension in plan.after]), plan.after)


def _linear(importer: _Importer, node: fx.Node) -> None:
    data, weight, bias = node.args[0], node.args[1], _argument(node, 2, "bias")
    rank = data.meta["val"].dim()
    if importer.order_of(data)[-1] != rank - 1:
        importer.restore(data)
    value = relax.op.matmul(importer.env[data], importer.stored(weight, (1, 0)))
    if bias is not None:
        value = relax.op.add(importer.block_builder.emit(value), importer.env[bias])
    importer.emit(node, value, importer.order_of(data))


def _layer_norm(importer: _Importer, node: fx.Node) -> None:
    data, shape = node.args[0], node.args[1]
    weight, bias = importer.env.get(_argument(node, 2, "weight")), importer.env.get(_argument(node, 3, "bias"))
    rank = data.meta["val"].dim()
    count = len(shape)
    if importer.order_of(data)[-count:] != identity(rank)[-count:]:
        importer.restore(data)
    dtype = "float32"
    gamma = weight if weight is not None else relax.op.ones(shape, dtype)
    beta = bias if bias is not None else relax.op.zeros(shape, dtype)
    axes = list(range(rank - count, rank))
    eps = float(_argument(node, 4, "eps", 1e-5))
    importer.emit(
        node, relax.op.nn.layer_norm(importer.env[data], gamma, beta, axes, eps), importer.order_of(data)
    )


def _softmax(importer: _Importer, node: fx.Node) -> None:
    order = importer.order_of(node.args[0])
    axis = order.index(node.args[1] % len(order))
    importer.emit(node, relax.op.nn.softmax(importer.env[node.args[0]], axis=axis), order)


def _attention(importer: _Importer, node: fx.Node) -> None:
    """softmax(q kᵀ · scale + mask) v, (N, heads, tokens, width) each: three kernels with rules of their own.

    Keys and values are padded to a multiple of 16 tokens, and the padding masked out, so that the scores fill
    whole vectors whatever the number of tokens.
    """
    for source in node.all_input_nodes:
        importer.restore(source)
    query, key, value = (importer.env[argument] for argument in node.args[:3])
    mask = _argument(node, 3, "attn_mask")
    if _argument(node, 5, "is_causal", False):
        raise ValueError("causal attention is not supported: it does not occur in image classifiers")
    shape = node.args[1].meta["val"].shape
    rank, tokens = len(shape), shape[-2]
    spare = -tokens % _TOKENS
    scale = node.kwargs.get("scale") or 1 / math.sqrt(shape[-1])
    builder = importer.block_builder

    def padded(tensor: relax.Expr, axis: int) -> relax.Expr:
        widths = [0] * (2 * rank)
        widths[2 * (axis % rank) + 1] = spare
        return builder.emit(relax.op.nn.pad(tensor, widths)) if spare else tensor

    transposed = relax.op.permute_dims(key, [*range(rank - 2), rank - 1, rank - 2])
    scores = builder.emit(relax.op.matmul(query, padded(builder.emit(transposed), -1)))
    scores = builder.emit(relax.op.multiply(scores, relax.const(float(scale), "float32")))
    if mask is not None:
        scores = builder.emit(relax.op.add(scores, padded(importer.env[mask], -1)))
    if spare:
        ignored = np.where(np.arange(tokens + spare) < tokens, 0.0, -1e30).astype("float32")
        scores = builder.emit(relax.op.add(scores, relax.const(ignored)))
    weights = builder.emit(relax.op.nn.softmax(scores, axis=-1))
    importer.emit(node, relax.op.matmul(weights, padded(value, -2)))


_Rule = Callable[[_Importer, fx.Node], None]

_UNARY = "relu silu gelu sigmoid tanh leaky_relu elu exp sqrt rsqrt abs neg erf softplus mish"
_RULES: dict[str, _Rule] = {
    **{f"{name}{suffix}.default": _unary for name in _UNARY.split() for suffix in ("", "_")},
    **{f"{n}{s}.default": _clamp for n in ("clamp", "hardtanh", "relu6") for s in ("", "_")},
    **{f"{n}{s}.default": _hard for n in ("hardswish", "hardsigmoid") for s in ("", "_")},
    **{f"{n}{s}.Tensor": _binary for n in ("add", "sub", "mul", "div") for s in ("", "_")},
    **{f"{n}.default": _keep for n in ("dropout", "dropout_", "contiguous", "alias", "clone", "detach")},
    **{f"{n}.default": _reshape for n in ("view", "reshape", "_unsafe_view")},
    "flatten.using_ints": _reshape,
    "conv2d.default": _convolution,
    "conv2d.padding": _convolution,
    "max_pool2d.default": _pool,
    "avg_pool2d.default": _pool,
    "adaptive_avg_pool2d.default": _adaptive_average,
    "mean.dim": _mean,
    "cat.default": _concatenate,
    "chunk.default": _split,
    "split.Tensor": _split,
    "split_with_sizes.default": _split,
    "slice.Tensor": _slice,
    "select.int": _select,
    "permute.default": _permute,
    "transpose.int": _permute,
    "linear.default": _linear,
    "layer_norm.default": _layer_norm,
    "softmax.int": _softmax,
    "scaled_dot_product_attention.default": _attention,
}


def _rule(node: fx.Node) -> _Rule | None:
    if node.op != "call_function":
        return None
    if node.target is operator.getitem:
        return _item
    return _RULES.get(node.target.__name__)
