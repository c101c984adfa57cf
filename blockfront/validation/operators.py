"""Classes of operators, by which an error can be told to be one of them."""

from __future__ import annotations

from blockfront.targets.compiler.program import Kernel

_BY_RULE = {"transform": "Winograd transform", "rows": "normalisation"} | dict.fromkeys(
    ("elementwise", "shuffle"), "element-wise"
)


def operator_of(kernel: Kernel) -> str:
    """What a kernel does, as its name and the rule that scheduled it tell."""
    convolution = "conv2d" in kernel.name
    if kernel.rule == "window":
        return "depthwise convolution" if convolution else "pooling"
    if kernel.rule != "contraction":
        return _BY_RULE.get(str(kernel.rule), "unscheduled")
    if "winograd" in kernel.name:
        return "Winograd product"
    if not convolution:
        return "matrix product"
    # [height, width, input, output], with the tiles of a packed one before that.
    _, weights = kernel.arguments[1]
    return "pointwise convolution" if weights[-4:-2] == (1, 1) else "dense convolution"
