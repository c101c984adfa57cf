"""exp, erf and tanh as polynomials, which vectorise; a call to libm for each element does not.

The polynomials are TVM's own (`topi.fast_exp`, `fast_erf`, `fast_tanh`): relative errors of a few 1e-7, checked
like everything else against torch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

from tvm import relax, te, topi


def _sigmoid(x: te.Tensor) -> te.Tensor:
    denominator = topi.add(topi.fast_exp(topi.negative(x)), 1.0)
    return te.compute(x.shape, lambda *i: 1.0 / denominator(*i), name="sigmoid")


def _silu(x: te.Tensor) -> te.Tensor:
    return topi.multiply(x, _sigmoid(x))


def _erf_gelu(x: te.Tensor) -> te.Tensor:
    erf = topi.fast_erf(topi.multiply(x, 1 / sqrt(2)))
    return te.compute(x.shape, lambda *i: x(*i) * (erf(*i) * 0.5 + 0.5), name="gelu")


def _rule(function: Callable[[te.Tensor], te.Tensor], name: str) -> Callable[..., relax.Expr]:
    def legalize(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        return builder.call_te(function, call.args[0], primfunc_name_hint=name)

    return legalize


def _softmax(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    return builder.call_te(topi.nn.fast_softmax, call.args[0], call.attrs.axis, primfunc_name_hint="softmax")


LEGALIZATIONS: dict[str, Any] = {
    "relax.exp": _rule(topi.fast_exp, "exp"),
    "relax.erf": _rule(topi.fast_erf, "erf"),
    "relax.tanh": _rule(topi.fast_tanh, "tanh"),
    "relax.sigmoid": _rule(_sigmoid, "sigmoid"),
    "relax.nn.silu": _rule(_silu, "silu"),
    "relax.nn.gelu": _rule(_erf_gelu, "gelu"),
    "relax.nn.softmax": _softmax,
}
