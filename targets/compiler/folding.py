"""Batch normalisation folded into the weights before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from blockfront.targets.compiler.exporting import Trace

_aten = torch.ops.aten
_CONVOLUTIONS = (_aten.conv2d.default, _aten.linear.default)


def fold_batch_norms(trace: Trace) -> None:
    """Rewrite y = γ(conv(x) - μ)/√(σ² + ε) + β as one convolution, and any other batch norm as x·s + t.

    Done on torch's own tensors: TVM's pass for it compiles a kernel for every constant, which takes longer
    than the rest of the compilation together.
    """

    def tensor(node: Any) -> torch.Tensor:
        return trace.constants[node.target]

    for node in list(trace.graph.nodes):
        if node.target != _aten.batch_norm.default:
            continue
        source, weight, bias, mean, variance, training, _momentum, eps = node.args[:8]
        if training or any(part is not None and part.op != "get_attr" for part in (weight, bias, mean, variance)):
            continue
        scale = torch.rsqrt(tensor(variance) + eps)
        if weight is not None:
            scale = scale * tensor(weight)
        shift = -tensor(mean) * scale
        if bias is not None:
            shift = shift + tensor(bias)
        if _foldable(source):
            kernel, old_bias = source.args[1], source.args[2] if len(source.args) > 2 else None
            if old_bias is not None:
                shift = shift + tensor(old_bias) * scale
            weights = tensor(kernel)
            with trace.graph.inserting_before(source):
                folded = trace.constant(weights * scale.reshape(-1, *[1] * (weights.dim() - 1)))
                source.args = (source.args[0], folded, trace.constant(shift), *source.args[3:])
            node.replace_all_uses_with(source)
        else:
            shape = (1, -1, *[1] * (source.meta["val"].dim() - 2))
            with trace.graph.inserting_before(node):
                factor, term = trace.constant(scale.reshape(shape)), trace.constant(shift.reshape(shape))
                scaled = trace.graph.call_function(_aten.mul.Tensor, (source, factor))
                shifted = trace.graph.call_function(_aten.add.Tensor, (scaled, term))
            scaled.meta["val"] = shifted.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(shifted)
        trace.graph.erase_node(node)


def _foldable(source: Any) -> bool:
    """Whether a batch norm's input is a convolution with constant weights that nobody else reads."""
    if source.target not in _CONVOLUTIONS or len(source.users) != 1:
        return False
    # A linear layer's channels are its last dimension, a batch norm's the second.
    channels_second = source.target == _aten.conv2d.default or source.meta["val"].dim() == 2
    return channels_second and all(part is None or part.op == "get_attr" for part in source.args[1:3])
