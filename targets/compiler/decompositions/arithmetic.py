"""Arithmetic, conversions and fills: element by element, and sums in a type of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import DECOMPOSITIONS, decomposes


@decomposes("add.Tensor", "add.Scalar")
def _add(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    return _widened(self, other) + other * alpha


@decomposes("sub.Tensor", "sub.Scalar")
def _subtract(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    return _widened(self, other) - other * alpha


@decomposes("rsub.Tensor", "rsub.Scalar")
def _subtract_from(self: Tensor, other: Any, alpha: float = 1) -> Tensor:
    return other - _widened(self, other) * alpha


@decomposes("div.Tensor", "div.Scalar")
def _divide(self: Tensor, other: Any) -> Tensor:
    wide = torch.result_type(self, other)
    if not wide.is_floating_point:
        wide = torch.float32
    return self.to(wide) / (other.to(wide) if isinstance(other, Tensor) else float(other))


@decomposes("div.Tensor_mode", "div.Scalar_mode")
def _divide_whole(self: Tensor, other: Any, *, rounding_mode: str | None) -> Tensor:
    if rounding_mode is None:
        return self / other
    wide = _widened(self, other)
    divisor = other if isinstance(other, Tensor) else torch.full((), other, dtype=wide.dtype)
    return torch.div(wide, divisor, rounding_mode=rounding_mode)


def _widened(self: Tensor, other: Any) -> Tensor:
    """A tensor in the type that torch computes with it and another tensor or a number in."""
    return self.to(torch.result_type(self, other))


@decomposes("mm.default", "bmm.default")
def _multiply_matrices(self: Tensor, other: Tensor) -> Tensor:
    return torch.ops.aten.matmul.default(self, other)


@decomposes("pow.Scalar")
def _power_of(self: float, exponent: Tensor) -> Tensor:
    found = torch.pow(float(self), exponent.float())
    return found.round().to(exponent.dtype) if isinstance(self, int) else found


@decomposes("clamp.default")
def _clamp(self: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    for bound in (min, max):
        self = self if bound is None else _widened(self, bound)
    return self.clamp(min, max)


def _of_floats(operator: Any) -> Callable[..., Tensor]:
    def convert_first(self: Tensor) -> Tensor:
        found: Tensor = operator(self.float())
        return found

    return convert_first


def _in_a_common_type(operator: Any) -> Callable[..., Tensor]:
    def widen_first(self: Tensor, other: Any) -> Tensor:
        found: Tensor = operator(_widened(self, other), other)
        return found

    return widen_first


@decomposes("to.dtype")
def _convert(self: Tensor, dtype: torch.dtype, *_: Any, **__: Any) -> Tensor:
    return self.to(dtype)


@decomposes("any.dim", "any.dims", "any.default")
def _any(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return (self != 0).any(*args, **kwargs)


def _in_its_type(operator: Any) -> Callable[..., Tensor]:
    def convert_first(self: Tensor, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Tensor:
        if len(args) > 1 and isinstance(args[-1], torch.dtype):
            *args, dtype = args  # type: ignore[assignment]
        whole = dtype or (torch.int64 if self.dtype == torch.bool else self.dtype)
        found: Tensor = operator(self.to(whole), *args, **kwargs)
        return found

    return convert_first


def _filled(value: float) -> Callable[..., Tensor]:
    return lambda self, *, dtype=None, **_: torch.full(self.shape, value, dtype=dtype or self.dtype)


def _filled_as(value: float) -> Callable[..., Tensor]:
    return lambda self, size, *, dtype=None, **_: torch.full(size, value, dtype=dtype or self.dtype)


@decomposes("dropout.default")
def _refuse_dropout(self: Tensor, p: float, train: bool) -> Tensor:
    raise RunError("dropout is on in evaluation mode (F.dropout without training=self.training): its output is random")


@decomposes("exp2.default")
def _exp2(self: Tensor) -> Tensor:
    return torch.exp(self * math.log(2))


@decomposes("sinh.default")
def _sinh(self: Tensor) -> Tensor:
    return (torch.exp(self) - torch.exp(-self)) / 2


@decomposes("cosh.default")
def _cosh(self: Tensor) -> Tensor:
    return (torch.exp(self) + torch.exp(-self)) / 2


@decomposes("erfc.default")
def _erfc(self: Tensor) -> Tensor:
    return 1 - torch.erf(self)


@decomposes("hypot.default")
def _hypot(self: Tensor, other: Tensor) -> Tensor:
    return torch.sqrt(self * self + other * other)


@decomposes("copysign.Tensor")
def _copysign(self: Tensor, other: Tensor) -> Tensor:
    size = self.abs()
    return torch.where(other < 0, -size, size)


@decomposes("heaviside.default")
def _heaviside(self: Tensor, values: Tensor) -> Tensor:
    return torch.where(self == 0, values, (self > 0).to(self.dtype))


@decomposes("rrelu_with_noise.default")
def _rrelu(
    self: Tensor,
    noise: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    if training:
        raise RunError("rrelu in training mode: its output is random")
    return F.leaky_relu(self, (lower + upper) / 2)


@decomposes("_trilinear.default")
def _multiply_three(
    i1: Tensor,
    i2: Tensor,
    i3: Tensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    sumdim: Sequence[int],
    unroll_dim: int = 1,
) -> Tensor:
    for axes, index in ((expand1, 0), (expand2, 1), (expand3, 2)):
        for axis in axes:
            i1, i2, i3 = (one.unsqueeze(axis) if i == index else one for i, one in enumerate((i1, i2, i3)))
    return (i1 * i2 * i3).sum(list(sumdim))


@decomposes("mv.default")
def _multiply_vector(self: Tensor, vec: Tensor) -> Tensor:
    return (self @ vec.unsqueeze(1)).squeeze(1)


@decomposes("addbmm.default")
def _add_products(self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return self * beta + (batch1 @ batch2).sum(0) * alpha


@decomposes("fake_quantize_per_tensor_affine_cachemask.default")
def _as_if_quantised(
    self: Tensor, scale: float, zero_point: int, quant_min: int, quant_max: int
) -> tuple[Tensor, None]:
    steps = torch.round(self * (1 / scale)) + float(zero_point)
    return (steps.clamp(float(quant_min), float(quant_max)) - float(zero_point)) * scale, None


@decomposes("amin.default")
def _least(self: Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> Tensor:
    return -(-self).amax(tuple(dim), keepdim)


@decomposes("eq.Scalar")
def _equals(self: Tensor, other: float) -> Tensor:
    return self.float() == float(other)


@decomposes("ne.Scalar")
def _differs(self: Tensor, other: float) -> Tensor:
    return self.float() != float(other)


@decomposes("clamp_min.Tensor")
def _at_least(self: Tensor, min: Tensor) -> Tensor:
    return torch.maximum(self, min)


@decomposes("clamp_max.Tensor")
def _at_most(self: Tensor, max: Tensor) -> Tensor:
    return torch.minimum(self, max)


@decomposes("__lshift__.Scalar")
def _shift_left(self: Tensor, other: int) -> Tensor:
    return self * 2**other


@decomposes("__rshift__.Scalar")
def _shift_right(self: Tensor, other: int) -> Tensor:
    return torch.div(self, 2**other, rounding_mode="floor")


@decomposes("_cdist_forward.default")
def _distances(x1: Tensor, x2: Tensor, p: float, compute_mode: int | None) -> Tensor:
    apart = (x1.unsqueeze(-2) - x2.unsqueeze(-3)).abs()
    if p in (0, math.inf):
        return apart.amax(-1) if p else (apart != 0).to(apart.dtype).sum(-1)
    return (apart * apart).sum(-1).sqrt() if p == 2 else (apart**p).sum(-1) ** (1 / p)


@decomposes("prod.dim_int")
def _multiply_all(self: Tensor, dim: int, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    factors = self.to(dtype or (self.dtype if self.is_floating_point() else torch.int64)).unbind(dim)
    product = reduce(torch.mul, factors)
    return product.unsqueeze(dim) if keepdim else product


_aten = torch.ops.aten
DECOMPOSITIONS.update(
    {
        typed: _in_its_type(typed)
        for typed in (
            _aten.softmax.int,
            _aten.log_softmax.int,
            _aten.mean.dim,
            _aten.mean.default,
            _aten.sum.default,
            _aten.sum.dim_IntList,
            _aten.prod.default,
        )
    }
)
for _name, _value in (("zeros", 0), ("ones", 1)):
    decomposes(f"{_name}_like.default")(_filled(_value))
    decomposes(f"new_{_name}.default")(_filled_as(_value))
for _operator in (
    *(_aten.mul.Tensor, _aten.mul.Scalar, _aten.pow.Tensor_Scalar, _aten.remainder.Scalar, _aten.fmod.Scalar),
    *(_aten.lt.Scalar, _aten.le.Scalar, _aten.gt.Scalar, _aten.ge.Scalar),
):
    DECOMPOSITIONS[_operator] = _in_a_common_type(_operator)
DECOMPOSITIONS.update(
    {
        real: _of_floats(real)
        for real in (
            *(_aten.acos.default, _aten.acosh.default, _aten.asin.default, _aten.asinh.default, _aten.atan.default),
            *(_aten.atanh.default, _aten.cos.default, _aten.erf.default, _aten.exp.default, _aten.expm1.default),
            *(_aten.log.default, _aten.log10.default, _aten.log1p.default, _aten.log2.default, _aten.rsqrt.default),
            *(_aten.reciprocal.default, _aten.sigmoid.default, _aten.sin.default, _aten.sqrt.default),
            *(_aten.tan.default, _aten.tanh.default),
        )
        if real not in DECOMPOSITIONS
    }
)
