"""Operators with arguments that few networks give come out as torch computes them, or are refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.importing.rules import RULES, converted_by_tvm
from blockfront.targets.compiler.importing.support import HARMLESS, LEFT_OUT, READS, SUPPORTS

pytestmark = pytest.mark.compiles

IMAGE = Signature.image(12, 15)
Function = Callable[[Tensor], Tensor]


class Computed(nn.Module):
    """A convolution to twelve channels, and what `function` makes of it."""

    def __init__(self, function: Function, *parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.parts, self.function = nn.Conv2d(3, 12, 3, padding=1), nn.ModuleList(parts), function

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        for part in self.parts:
            x = part(x)
        return self.function(x)


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.flatten(2).reshape(1, heads, -1, 180).transpose(2, 3)


def _causal(x: Tensor) -> Tensor:
    q = _heads(x, 2)
    return F.scaled_dot_product_attention(q, q * 0.5, q, is_causal=True)


def _masked(x: Tensor) -> Tensor:
    q, mask = _heads(x, 2), torch.arange(180)[None] % 3 != torch.arange(180)[:, None] % 3
    return F.scaled_dot_product_attention(q, q * 0.5, q, attn_mask=mask, scale=0.3)


def _grouped(x: Tensor) -> Tensor:
    q, k = _heads(x, 4), _heads(x[:, :6], 2)
    return F.scaled_dot_product_attention(q, k, k * 2, enable_gqa=True)


def _grid(x: Tensor) -> Tensor:
    turned = torch.tensor([[[0.9, 0.1, 0.05], [-0.1, 0.8, 0.0]]])
    return F.grid_sample(x, F.affine_grid(turned, [1, 12, 12, 15], align_corners=False), align_corners=False)


CASES: dict[str, Function] = {
    "add alpha": lambda x: torch.add(x, x.tanh(), alpha=0.17),
    "add_ alpha": lambda x: x.tanh().add_(x, alpha=0.3),
    "sub alpha": lambda x: torch.sub(x, x.tanh(), alpha=2),
    "add number alpha": lambda x: torch.add(x, 2, alpha=3),
    "rsub alpha": lambda x: torch.rsub(x, x.tanh(), alpha=0.5),
    "hardtanh of whole numbers": lambda x: F.hardtanh(x, -2, 1),
    "hardtanh lower": lambda x: F.hardtanh(x, -0.5),
    "clamp_max": lambda x: x.clamp_max(0.2),
    "selu in place": lambda x: F.selu(x * 1, inplace=True),
    "celu": lambda x: F.celu(x, 0.6),
    "std": lambda x: x.std((2, 3)),
    "std correction": lambda x: x.std((2, 3), correction=2),
    "var": lambda x: x.var((2, 3)),
    "var of the whole population": lambda x: x.var((2, 3), correction=0),
    "average divisor": lambda x: F.avg_pool2d(x, 3, 2, 1, divisor_override=5),
    "average ceil": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "maximum ceil dilated": lambda x: F.max_pool2d(x, 3, 2, 1, dilation=2, ceil_mode=True),
    "nearest to any size": lambda x: F.interpolate(x, size=(17, 31)),
    "nearest by a fraction": lambda x: F.interpolate(x, scale_factor=1.6),
    "bilinear by a fraction": lambda x: F.interpolate(x, scale_factor=1.6, mode="bilinear"),
    "antialiased": lambda x: F.interpolate(x, size=(7, 6), mode="bilinear", antialias=True),
    "antialiased bicubic": lambda x: F.interpolate(x, size=(7, 6), mode="bicubic", antialias=True),
    "causal attention": _causal,
    "attention with a mask of booleans": _masked,
    "grouped-query attention": _grouped,
    "batch statistics": lambda x: F.batch_norm(x, None, None, training=True),
    "instance norm": lambda x: F.instance_norm(x, eps=1e-2),
    "narrow": lambda x: x.narrow(1, 3, 4),
    "any": lambda x: x.relu().any(1).float(),
    "isin inverted": lambda x: torch.isin(x.round(), torch.tensor([0.0, 1.0]), invert=True).float(),
    "cumsum": lambda x: x.cumsum(3),
    "cumsum over channels": lambda x: x.cumsum(1),
    "pixel shuffle": lambda x: F.pixel_shuffle(x, 2),
    "mish": F.mish,
    "adaptive maximum": lambda x: F.adaptive_max_pool2d(x, (5, 4)),
    "unfold": lambda x: F.unfold(x, 3, padding=1, stride=2, dilation=2),
    "fold": lambda x: F.fold(F.unfold(x, 3, padding=1, stride=2), x.shape[-2:], 3, padding=1, stride=2),
    "grid sample": _grid,
    "group norm without weights": lambda x: F.group_norm(x, 3),
    "variance of everything": lambda x: x.var(),
    "sum in another type": lambda x: x.relu().bool().sum((2, 3), dtype=torch.float32),
    "zeros in another type": lambda x: x + torch.zeros_like(x.round().long(), dtype=torch.float32) + 1,
    "full of a number in another type": lambda x: x + torch.full_like(x.round().long(), 2.5, dtype=torch.float32),
    "same": lambda x: nn.Identity()(x),
}


CONVERTED = sorted(name for name in {*RULES, *converted_by_tvm()} if hasattr(torch.ops.aten, name.partition(".")[0]))


def _optional(name: str) -> set[str]:
    """The arguments with a default of an operator that takes a tensor."""
    packet, _, overload = name.partition(".")
    schema = getattr(getattr(torch.ops.aten, packet), overload or "default")._schema
    if not any("Tensor" in str(argument.type) for argument in schema.arguments):
        return set()  # Its result is a constant, whatever it is given.
    return {argument.name for argument in schema.arguments if argument.has_default_value()}


@pytest.mark.parametrize("name", CONVERTED)
def test_an_operator_is_converted_by_whoever_reads_all_it_is_given(name: str) -> None:
    if name.partition(".")[2] not in getattr(torch.ops.aten, name.partition(".")[0]).overloads():
        return  # torch has no such call.
    answered = {*inspect.signature(SUPPORTS[name]).parameters} if name in SUPPORTS else set()
    assert _optional(name) <= READS.get(name, frozenset()) | HARMLESS.keys() | answered


def test_only_what_is_converted_is_said_to_read() -> None:
    assert {*READS} <= {*CONVERTED}
    assert not LEFT_OUT & ({*READS} | {*RULES})


def _error(module: nn.Module) -> float:
    return compile_model(module, IMAGE, get_target("host"), threads=1, seed=1).max_rel_error


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_what_it_is_in_torch(name: str) -> None:
    assert _error(Computed(CASES[name])) <= 1e-5


@pytest.mark.parametrize(
    "layer",
    [nn.GRU(12, 8, batch_first=True), nn.LSTM(12, 8, 2, batch_first=True, bidirectional=True), nn.RNN(12, 8)],
    ids=["GRU", "LSTM", "RNN"],
)
def test_a_recurrent_layer_is_what_it_is_in_torch(layer: nn.Module) -> None:
    assert _error(nn.Sequential(Computed(lambda x: x.mean(2).transpose(1, 2)), layer)) <= 1e-5


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(12, track_running_stats=False), nn.InstanceNorm2d(12, affine=True)])
def test_a_norm_that_computes_its_statistics_is_what_it_is_in_torch(norm: nn.Module) -> None:
    assert _error(Computed(lambda x: x, norm)) <= 1e-5


def test_an_instance_norm_that_keeps_its_statistics_uses_them() -> None:
    assert _error(Computed(lambda x: x, nn.InstanceNorm2d(12, affine=True, track_running_stats=True))) <= 1e-5


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x.mean((2, 3)).topk(3).values, "topk.default has neither a converter nor a decomposition"),
        (F.dropout, "dropout is on in evaluation mode"),
        (lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True, divisor_override=5), "divisor_override together with ceil"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.1), "its output is random"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(function: Function, said: str) -> None:
    with pytest.raises(RunError, match=said):
        _error(Computed(function))
