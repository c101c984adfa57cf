"""exp, erf, tanh, log and powers as polynomials, which vectorise; a call to libm for each element does not.

The polynomials but the logarithm's are TVM's own (`topi.fast_exp`, `fast_erf`, `fast_tanh`): relative errors of a few
1e-7, checked like everything else against torch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, nan, pi, sqrt
from typing import Any

from tvm import ir, relax, te, tirx, topi

_SMALLEST_NORMAL = 2.0**-126
_MANTISSA_BITS = 23
# The bits of √½: mantissas are taken from there to √2.
_ROOT_HALF = 0x3F3504F3


def _sigmoid(x: te.Tensor) -> te.Tensor:
    denominator = topi.add(topi.fast_exp(topi.negative(x)), 1.0)
    return te.compute(x.shape, lambda *i: 1.0 / denominator(*i), name="sigmoid")


def _silu(x: te.Tensor) -> te.Tensor:
    return topi.multiply(x, _sigmoid(x))


def _erf_gelu(x: te.Tensor) -> te.Tensor:
    erf = topi.fast_erf(topi.multiply(x, 1 / sqrt(2)))
    return te.compute(x.shape, lambda *i: x(*i) * (erf(*i) * 0.5 + 0.5), name="gelu")


def _tanh_gelu(x: te.Tensor) -> te.Tensor:
    inner = topi.multiply(x, topi.add(topi.multiply(topi.multiply(x, x), 0.044715), 1.0))
    tanh = topi.fast_tanh(topi.multiply(inner, sqrt(2 / pi)))
    return te.compute(x.shape, lambda *i: x(*i) * (tanh(*i) * 0.5 + 0.5), name="gelu_tanh")


def _selu(x: te.Tensor) -> te.Tensor:
    """As torch has it (Klambauer et al. 2017), with its constants."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    below = topi.fast_exp(topi.minimum(x, tirx.const(0, x.dtype)))
    return te.compute(x.shape, lambda *i: scale * tirx.Select(x(*i) > 0, x(*i), alpha * (below(*i) - 1)), name="selu")


def _softplus(x: te.Tensor, beta: float, threshold: float) -> te.Tensor:
    """log(1 + exp(beta · x)) / beta, and x where beta · x is above the threshold, as torch has it."""
    scaled = topi.multiply(x, beta)
    small = topi.fast_exp(topi.negative(topi.abs(scaled)))
    rest = fast_log(topi.add(small, 1.0))

    def element(*i: tirx.Var) -> tirx.Expr:
        curve = (tirx.max(scaled(*i), tirx.const(0, x.dtype)) + rest(*i)) * (1 / beta)
        return tirx.Select(scaled(*i) > threshold, x(*i), curve)

    return te.compute(x.shape, element, name="softplus")


def fast_log(x: te.Tensor) -> te.Tensor:
    """The natural logarithm of float32, as torch has it for zero, infinities and negative numbers too.

    A number is m · 2ᵏ with m from √½ to √2, and log m = 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + …) with
    s = (m - 1) / (m + 1): after s⁹ the rest is below 1e-9.
    """
    if x.dtype != "float32":
        return topi.log(x)

    def element(*i: tirx.Var) -> tirx.Expr:
        given, m, s, square = (tirx.Var(name, "float32") for name in ("given", "m", "s", "square"))
        bits, k = (tirx.Var(name, "int32") for name in ("bits", "k"))
        subnormal = given < _SMALLEST_NORMAL
        series = 2.0 * s * (((square / 9 + 1 / 7) * square + 1 / 5) * square * square + square / 3 + 1.0)
        power = (k - tirx.Select(subnormal, _MANTISSA_BITS, 0)).astype("float32")
        value = tirx.Select(
            given > 0.0,
            tirx.Select(given < inf, power * log(2) + series, given),
            tirx.Select(given == 0.0, tirx.const(-inf, "float32"), tirx.const(nan, "float32")),
        )
        steps = {
            given: x(*i),
            bits: tirx.reinterpret("int32", tirx.Select(subnormal, given * 2.0**_MANTISSA_BITS, given)),
            k: (bits - _ROOT_HALF) >> _MANTISSA_BITS,
            m: tirx.reinterpret("float32", bits - (k << _MANTISSA_BITS)),
            s: (m - 1.0) / (m + 1.0),
            square: s * s,
        }
        # Each step has a name: written out, the expression would hold its argument some two hundred times.
        for variable, step in reversed(steps.items()):
            value = tirx.Let(variable, step, value)
        return value

    return te.compute(x.shape, element, name="log")


def _power(x: te.Tensor, exponent: float) -> te.Tensor:
    """x to a whole number or to a half, of either sign."""

    def element(*i: tirx.Var) -> tirx.Expr:
        value = _product(x(*i), int(abs(exponent))) if exponent % 1 == 0 else tirx.sqrt(x(*i))
        return 1.0 / value if exponent < 0 else value

    return te.compute(x.shape, element, name="power")


def _product(base: tirx.Expr, count: int) -> tirx.Expr:
    if count == 1:
        return base
    half = _product(base, count // 2)
    return half * half * base if count % 2 else half * half


def _rule(function: Callable[[te.Tensor], te.Tensor], name: str) -> Callable[..., relax.Expr]:
    def legalize(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        return builder.call_te(function, call.args[0], primfunc_name_hint=name)

    return legalize


def _softmax(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    return builder.call_te(_fast_softmax, call.args[0], call.attrs.axis, primfunc_name_hint="softmax")


def _fast_softmax(x: te.Tensor, axis: int) -> te.Tensor:
    """Of float16 by float32."""
    if x.dtype != "float16":
        return topi.nn.fast_softmax(x, axis)
    return topi.cast(topi.nn.fast_softmax(topi.cast(x, "float32"), axis), x.dtype)


def _log_softmax(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    return builder.call_te(_fast_log_softmax, call.args[0], call.attrs.axis, primfunc_name_hint="log_softmax")


def _fast_log_softmax(x: te.Tensor, axis: int) -> te.Tensor:
    if x.dtype != "float32":
        return topi.nn.log_softmax(x, axis)
    below = topi.subtract(x, topi.max(x, axis, keepdims=True))
    return topi.subtract(below, fast_log(topi.sum(topi.fast_exp(below), axis, keepdims=True)))


def _power_rule(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    """By products and a root where the exponent is a number that allows it; libm takes ten times as long."""
    x, y = call.args
    number = isinstance(y, ir.GenericConst) and y.ty.ndim == 0
    exponent = float(y.value.numpy()) if number else nan
    if x.ty.dtype != "float32" or (abs(exponent) != 1 / 2 and abs(exponent) not in range(1, 9)):
        return call.op.get_attr("FLegalize")(builder, call)
    return builder.call_te(_power, x, exponent, primfunc_name_hint="power")


def _softplus_rule(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    beta, threshold = float(call.attrs.beta), float(call.attrs.threshold)
    return builder.call_te(_softplus, call.args[0], beta, threshold, primfunc_name_hint="softplus")


LEGALIZATIONS: dict[str, Any] = {
    "relax.exp": _rule(topi.fast_exp, "exp"),
    "relax.erf": _rule(topi.fast_erf, "erf"),
    "relax.tanh": _rule(topi.fast_tanh, "tanh"),
    "relax.log": _rule(fast_log, "log"),
    "relax.sigmoid": _rule(_sigmoid, "sigmoid"),
    "relax.nn.silu": _rule(_silu, "silu"),
    "relax.nn.gelu": _rule(_erf_gelu, "gelu"),
    "relax.nn.gelu_tanh": _rule(_tanh_gelu, "gelu_tanh"),
    "relax.nn.selu": _rule(_selu, "selu"),
    "relax.nn.softplus": _softplus_rule,
    "relax.power": _power_rule,
    "relax.nn.softmax": _softmax,
    "relax.nn.log_softmax": _log_softmax,
}
