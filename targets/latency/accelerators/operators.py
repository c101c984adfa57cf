"""What becomes of operators that are no layers, by the name torch gives them."""

from __future__ import annotations

import operator
from typing import Any

VIEWS = frozenset(
    {
        *("alias", "as_strided", "cat", "chunk", "concat", "detach", "detach_", "dropout", "expand"),
        *("expand_as", "feature_dropout", "flatten", "getitem", "identity", "lift_fresh", "narrow"),
        *("permute", "reshape", "select", "slice", "split", "split_with_sizes", "squeeze", "t"),
        *("tensor_split", "transpose", "unbind", "unflatten", "unsqueeze", "view", "view_as", "_unsafe_view"),
        *("contiguous", "clone"),
    }
)
"""Addressing: no data moves, unless torch itself must copy; parts of a concatenation are written where they belong."""

ELEMENTWISE = frozenset(
    {
        *("abs", "add", "addcmul", "celu", "clamp", "clamp_max", "clamp_min", "div", "elu", "erf", "exp"),
        *("gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log", "maximum", "minimum", "mish"),
        *("mul", "neg", "pow", "prelu", "reciprocal", "relu", "relu6", "rsqrt", "rsub", "selu", "sigmoid"),
        *("silu", "softplus", "sqrt", "square", "sub", "tanh", "to", "_to_copy"),
    }
)
"""One output element from the input's at the same place."""


def operator_name(node: Any) -> str:
    """The operator of a call without its overload, such as relu for relu_.default."""
    if node.target is operator.getitem:
        return "getitem"
    return str(node.target.__name__).partition(".")[0].removesuffix("_")


def copies(node: Any) -> bool:
    """Whether torch must copy for an operator of `VIEWS`: a channel shuffle's reshape, or `contiguous` after it."""
    name, value = operator_name(node), node.meta["val"]
    if name == "clone":
        return True
    if name == "contiguous":
        return not node.args[0].meta["val"].is_contiguous()
    if name in ("reshape", "flatten", "unflatten"):
        try:
            node.args[0].meta["val"].view(value.shape)
        except RuntimeError:
            return True
    return False
