"""exp, erf, tanh and log as polynomials, which vectorise; a call to libm for each element does not.

The first three are TVM's own (`topi.fast_exp`, `fast_erf`, `fast_tanh`): relative errors of a few 1e-7, checked
like everything else against torch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

from tvm import relax, te, tirx, topi

# log(1 + z) - z + z² / 2 over z³, from the highest power down: logf of the Cephes library (Moshier 1992).
_LOG = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
# log 2 in a part that few bits hold and the rest, so that its product with an exponent is exact.
_LOG2_HIGH, _LOG2_LOW = 0.693359375, -2.12194440e-4
_LEAST_NORMAL = 2.0**-126


def _sigmoid(x: te.Tensor) -> te.Tensor:
    denominator = topi.add(topi.fast_exp(topi.negative(x)), 1.0)
    return te.compute(x.shape, lambda *i: 1.0 / denominator(*i), name="sigmoid")


def _silu(x: te.Tensor) -> te.Tensor:
    return topi.multiply(x, _sigmoid(x))


def _erf_gelu(x: te.Tensor) -> te.Tensor:
    erf = topi.fast_erf(topi.multiply(x, 1 / sqrt(2)))
    return te.compute(x.shape, lambda *i: x(*i) * (erf(*i) * 0.5 + 0.5), name="gelu")


def _log(x: te.Tensor) -> te.Tensor:
    return te.compute(x.shape, lambda *i: _log_of(x(*i)), name="log")


def _log_of(x: Any) -> Any:
    """log m + e log 2 for x = m · 2^e with m in [√½, √2)."""

    def number(value: float) -> Any:
        return tirx.const(value, "float32")

    tiny = x < number(_LEAST_NORMAL)
    bits = tirx.reinterpret("int32", tirx.Select(tiny, x * number(2.0**23), x))
    # Counted from √½, so that one mask gives the exponent and what is left gives m.
    above = bits - tirx.const(0x3F3504F3, "int32")
    exponent = (above >> 23).astype("float32") - tirx.Select(tiny, number(23.0), number(0.0))
    z = tirx.reinterpret("float32", (above & 0x007FFFFF) + 0x3F3504F3) - number(1.0)
    series = number(_LOG[0])
    for coefficient in _LOG[1:]:
        series = series * z + number(coefficient)
    square = z * z
    value = exponent * number(_LOG2_LOW) + series * z * square - number(0.5) * square + z
    value = value + exponent * number(_LOG2_HIGH)
    outside = tirx.Select(x.equal(number(0.0)), number(float("-inf")), number(float("nan")))
    value = tirx.Select(x < number(float("inf")), value, x)  # infinity and what is no number stay as they are
    return tirx.Select(x <= number(0.0), outside, value)


def _rule(function: Callable[[te.Tensor], te.Tensor], name: str) -> Callable[..., relax.Expr]:
    def legalize(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        return builder.call_te(function, call.args[0], primfunc_name_hint=name)

    return legalize


def _softmax(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    return builder.call_te(topi.nn.fast_softmax, call.args[0], call.attrs.axis, primfunc_name_hint="softmax")


def _where(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    """Both values are computed and one is taken, which vectorises; TVM's own branch does not."""
    shape = [int(extent) for extent in call.ty.shape.values]

    def selected(*tensors: te.Tensor) -> te.Tensor:
        condition, yes, no = (topi.broadcast_to(tensor, shape) for tensor in tensors)
        # As a number: TVM keeps tensors of truth values in bytes, and takes none for a condition.
        return te.compute(
            shape, lambda *i: tirx.Select(condition(*i).astype("int32") != 0, yes(*i), no(*i)), name="where"
        )

    return builder.call_te(selected, *call.args, primfunc_name_hint="where")


LEGALIZATIONS: dict[str, Any] = {
    "relax.exp": _rule(topi.fast_exp, "exp"),
    "relax.erf": _rule(topi.fast_erf, "erf"),
    "relax.log": _rule(_log, "log"),
    "relax.tanh": _rule(topi.fast_tanh, "tanh"),
    "relax.sigmoid": _rule(_sigmoid, "sigmoid"),
    "relax.nn.silu": _rule(_silu, "silu"),
    "relax.nn.gelu": _rule(_erf_gelu, "gelu"),
    "relax.nn.softmax": _softmax,
    "relax.where": _where,
}
