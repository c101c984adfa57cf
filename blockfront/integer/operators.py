"""Operators of quantised networks, in torch's library under `blockfront`: what compiled integer code must equal.

Quantised tensors are `torch.int8` of torch's shapes, a real value is `(q - zero_point) * scale`. Weights are symmetric,
-127 to 127, one scale for each output channel; biases are int32 in the scale of the sum. A sum becomes an int8 by one
float32 multiplication, rounding half to even and adding the zero point as an integer:

    q = clamp(round(float32(sum + bias) * multiplier) + zero_point, low, high)

with `multiplier = float32(scale of the input * scale of the weights / scale of the output)`. Nothing is fused to one
rounding. ONNX Runtime's convolutions between quantisers give the same bits. Whatever only moves or orders bytes
(maximum pooling, concatenation, slices, permutations) is ATen's own operator on int8 tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

LOWEST, HIGHEST = -128, 127
"""The range of a quantised activation."""

_LIBRARY = torch.library.Library("blockfront", "DEF")
_RANGE = f"int low={LOWEST}, int high={HIGHEST}"
_EXACT_PRODUCTS = 2**24 // (255 * 127)
"""As many products of an activation less its zero point and a weight have a sum that float32 holds exactly."""


def _operator(schema: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a function as the operator of its name, with a schema; it gives shapes on the meta device as well."""

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        name = function.__name__.removeprefix("_")
        _LIBRARY.define(f"{name}{schema}")
        _LIBRARY.impl(name, function, "CompositeExplicitAutograd")
        return function

    return register


def _clamp(values: Tensor, zero_point: int, low: int, high: int) -> Tensor:
    """`values` are nobody else's: they are rounded where they are."""
    return values.round_().add_(zero_point).clamp_(low, high).to(torch.int8)


def _wide(products: int) -> torch.dtype:
    """A floating type in which a sum of so many products is exact."""
    return torch.float32 if products <= _EXACT_PRODUCTS else torch.float64


def _scaled(total: Tensor, bias: Tensor, multiplier: Tensor, axis: int) -> Tensor:
    """`total` is exact and nobody else's. With biases that float32 holds, it rounds the sum once, as float64 does."""
    shape = [1] * total.ndim
    shape[axis] = -1
    single = bias.to(torch.float32)
    if total.dtype == torch.float32 and not bias.is_meta and single.double().equal(bias.double()):
        return total.add_(single.view(shape)).mul_(multiplier.view(shape))
    whole = total.to(torch.float64).add_(bias.view(shape))
    return whole.to(torch.float32).mul_(multiplier.view(shape))


@_operator(f"(Tensor x, float scale, int zero_point, {_RANGE}) -> Tensor")
def _quantize(x: Tensor, scale: float, zero_point: int, low: int = LOWEST, high: int = HIGHEST) -> Tensor:
    """float32 to int8: `round(x * float32(1 / scale)) + zero_point`, clamped. Not a number gives the zero point."""
    inverse = torch.tensor(1.0 / scale, dtype=torch.float32).item()
    return _clamp((x.to(torch.float32) * inverse).nan_to_num(0.0), zero_point, low, high)


@_operator("(Tensor q, float scale, int zero_point) -> Tensor")
def _dequantize(q: Tensor, scale: float, zero_point: int) -> Tensor:
    """int8 to float32: `float32(q - zero_point) * float32(scale)`."""
    return (q.to(torch.float32) - zero_point) * torch.tensor(scale, dtype=torch.float32).item()


@_operator(
    "(Tensor q, Tensor weight, Tensor bias, Tensor multiplier, int input_zero_point, int output_zero_point, "
    f"int[2] stride=1, int[2] padding=0, int[2] dilation=1, int groups=1, {_RANGE}) -> Tensor"
)
def _convolution(
    q: Tensor,
    weight: Tensor,
    bias: Tensor,
    multiplier: Tensor,
    input_zero_point: int,
    output_zero_point: int,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    low: int = LOWEST,
    high: int = HIGHEST,
) -> Tensor:
    """A convolution of int8 images (N, C, H, W); a border counts as the input's zero point.

    `weight` is int8 (O, C / groups, kh, kw), `bias` int32 (O), `multiplier` float32 (O).
    """
    wide = _wide(weight[0].numel())
    # Convolutions are several times as fast with channels innermost; others refuse such int8s.
    image = q.to(wide, memory_format=torch.channels_last).sub_(input_zero_point)
    total = F.conv2d(image, weight.to(wide), None, list(stride), list(padding), list(dilation), groups)
    return _clamp(_scaled(total, bias, multiplier, 1), output_zero_point, low, high).contiguous()


@_operator(
    f"(Tensor q, Tensor weight, Tensor bias, Tensor multiplier, int input_zero_point, int output_zero_point, {_RANGE})"
    " -> Tensor"
)
def _linear(
    q: Tensor,
    weight: Tensor,
    bias: Tensor,
    multiplier: Tensor,
    input_zero_point: int,
    output_zero_point: int,
    low: int = LOWEST,
    high: int = HIGHEST,
) -> Tensor:
    """A linear layer of int8 features (..., I) with int8 weights (O, I): int8 (..., O)."""
    scaled = _linear_float(q, weight, bias, multiplier, input_zero_point)
    return _clamp(scaled, output_zero_point, low, high)


@_operator("(Tensor q, Tensor weight, Tensor bias, Tensor multiplier, int input_zero_point) -> Tensor")
def _linear_float(q: Tensor, weight: Tensor, bias: Tensor, multiplier: Tensor, input_zero_point: int) -> Tensor:
    """The same with float32 results, `float32(sum + bias) * multiplier`: logits, and what a float operator reads."""
    wide = _wide(weight.shape[1])
    total = F.linear(q.to(wide) - input_zero_point, weight.to(wide))
    return _scaled(total, bias, multiplier, -1)


@_operator(f"(Tensor a, Tensor b, int multiplier_a, int multiplier_b, int constant, int shift, {_RANGE}) -> Tensor")
def _add(
    a: Tensor,
    b: Tensor,
    multiplier_a: int,
    multiplier_b: int,
    constant: int,
    shift: int,
    low: int = LOWEST,
    high: int = HIGHEST,
) -> Tensor:
    """`clamp((a * multiplier_a + b * multiplier_b + constant) >> shift, low, high)` in int32.

    Multipliers are 16-bit; all zero points and the half that makes the shift round are in `constant`.
    """
    total = a.to(torch.int32) * multiplier_a + b.to(torch.int32) * multiplier_b + constant
    return (total >> shift).clamp(low, high).to(torch.int8)


@_operator(
    f"(Tensor a, Tensor b, int zero_point_a, int zero_point_b, float multiplier, int output_zero_point, {_RANGE})"
    " -> Tensor"
)
def _multiply(
    a: Tensor,
    b: Tensor,
    zero_point_a: int,
    zero_point_b: int,
    multiplier: float,
    output_zero_point: int,
    low: int = LOWEST,
    high: int = HIGHEST,
) -> Tensor:
    """A product of two int8 tensors, shapes broadcast: `round(float32(product) * float32(multiplier))`, clamped."""
    product = (a.to(torch.float32) - zero_point_a) * (b.to(torch.float32) - zero_point_b)
    return _clamp(product * torch.tensor(multiplier, dtype=torch.float32).item(), output_zero_point, low, high)


@_operator(
    "(Tensor q, int[] dim, bool keepdim, int input_zero_point, float multiplier, int output_zero_point, "
    f"{_RANGE}) -> Tensor"
)
def _mean(
    q: Tensor,
    dim: Sequence[int],
    keepdim: bool,
    input_zero_point: int,
    multiplier: float,
    output_zero_point: int,
    low: int = LOWEST,
    high: int = HIGHEST,
) -> Tensor:
    """A mean over dimensions: the sum of `q - input_zero_point`, scaled; `multiplier` has the division by the count."""
    total = (q.to(torch.int32) - input_zero_point).sum(list(dim), keepdim, dtype=torch.int32)
    scaled = total.to(torch.float32) * torch.tensor(multiplier, dtype=torch.float32).item()
    return _clamp(scaled, output_zero_point, low, high)


@_operator(
    "(Tensor a, Tensor b, int zero_point_a, int zero_point_b, float multiplier, int output_zero_point, bool turned)"
    " -> Tensor"
)
def _product(
    a: Tensor,
    b: Tensor,
    zero_point_a: int,
    zero_point_b: int,
    multiplier: float,
    output_zero_point: int,
    turned: bool,
) -> Tensor:
    """Matrices (..., M, K) by (..., K, N), `turned` (..., N, K): the exact sum times float32(multiplier), rounded."""
    second = b.to(torch.float64) - zero_point_b
    total = (a.to(torch.float64) - zero_point_a) @ (second.transpose(-2, -1) if turned else second)
    scaled = total.to(torch.float32) * torch.tensor(multiplier, dtype=torch.float32).item()
    return _clamp(scaled, output_zero_point, LOWEST, HIGHEST)


@_operator("(Tensor q, float scale) -> Tensor")
def _softmax(q: Tensor, scale: float) -> Tensor:
    """Softmax of `q * scale` over the last dimension in 256ths: its scale is 1 / 256 and its zero point -128."""
    return _clamp((q.to(torch.float32) * scale).softmax(-1) * 256, LOWEST, LOWEST, HIGHEST)


@_operator("(Tensor q, Tensor table) -> Tensor")
def _lookup(q: Tensor, table: Tensor) -> Tensor:
    """Any function of one int8 value: `table[q + 128]`, with `table` int8 (256)."""
    return table[q.to(torch.int64) - LOWEST]


def exact(operator: Any) -> bool:
    """Whether `operator` is one of these, whose int8 results compiled code must equal."""
    return getattr(operator, "namespace", None) == "blockfront"
