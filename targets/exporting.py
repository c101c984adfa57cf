"""torch module to ExportedProgram, with batch normalisation folded into the weights before it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

_aten = torch.ops.aten
_CONVOLUTIONS = (_aten.conv2d.default, _aten.linear.default)


def export_module(module: nn.Module, resolution: int) -> ExportedProgram:
    """Trace `module` on one (1, 3, resolution, resolution) float32 image and fold its batch norms."""
    example = torch.zeros(1, 3, resolution, resolution)
    with torch.no_grad():
        exported = torch.export.export(module.eval(), (example,))
        _fold_batch_norms(exported)
    return exported


def _fold_batch_norms(exported: ExportedProgram) -> None:
    """Rewrite y = γ(conv(x) - μ)/√(σ² + ε) + β as one convolution, and any other batch norm as x·s + t.

    Done on torch's own tensors: TVM's pass for it compiles a kernel for every constant, which takes longer
    than the rest of the compilation together.
    """
    graph = exported.graph_module.graph
    names = {
        spec.arg.name: spec.target
        for spec in exported.graph_signature.input_specs
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER)
    }
    state = dict(exported.state_dict)

    def tensor(node: Any) -> torch.Tensor:
        return state[names[node.name]]

    for node in list(graph.nodes):
        if node.op != "call_function" or node.target != _aten.batch_norm.default:
            continue
        source, weight, bias, mean, variance, _training, _momentum, eps = node.args[:8]
        scale = torch.rsqrt(tensor(variance) + eps)
        if weight is not None:
            scale = scale * tensor(weight)
        shift = -tensor(mean) * scale
        if bias is not None:
            shift = shift + tensor(bias)
        # mean and variance are per-module buffers nobody else reads: they carry the folded constants.
        if _foldable(source):
            kernel, old_bias = source.args[1], source.args[2] if len(source.args) > 2 else None
            if old_bias is not None:
                shift = shift + tensor(old_bias) * scale
            folded = tensor(kernel)
            state[names[kernel.name]] = nn.Parameter(
                folded * scale.reshape(-1, *[1] * (folded.dim() - 1)), requires_grad=False
            )
            state[names[mean.name]] = shift
            # The constant placeholder stands after the convolution's own inputs, never after the convolution.
            source.args = (source.args[0], kernel, mean, *source.args[3:])
            node.replace_all_uses_with(source)
        else:
            shape = (1, -1, *[1] * (source.meta["val"].dim() - 2))
            state[names[variance.name]] = scale.reshape(shape)
            state[names[mean.name]] = shift.reshape(shape)
            for constant in (variance, mean):
                constant.meta["val"] = constant.meta["val"].reshape(shape)
            with graph.inserting_before(node):
                scaled = graph.call_function(_aten.mul.Tensor, (source, variance))
                shifted = graph.call_function(_aten.add.Tensor, (scaled, mean))
            scaled.meta["val"] = shifted.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(shifted)
        graph.erase_node(node)
    graph.lint()
    exported.graph_module.recompile()
    exported._state_dict = state


def _foldable(source: Any) -> bool:
    """Whether a batch norm's input is a convolution nobody else reads, with weights nobody else uses."""
    if source.op != "call_function" or source.target not in _CONVOLUTIONS or len(source.users) != 1:
        return False
    weights = [arg for arg in source.args[1:3] if isinstance(arg, torch.fx.Node)]
    return all(weight.op == "placeholder" and len(weight.users) == 1 for weight in weights)
