"""A quantised network with float64 between its integers: how much what float32 rounds there changes of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter
from torch.fx.node import Argument, Target, map_aggregate


def with_wide_floats(operators: GraphModule, inputs: Sequence[Tensor]) -> Any:
    """What the operators of a `QuantizedNetwork` give if all that are not `torch.ops.blockfront` compute in float64.

    Integer operators take and give float32 as ever, so each value becomes the integer that its float32 becomes.
    """
    return _Wide(operators).run(*inputs)


class _Wide(Interpreter):
    def call_function(self, target: Target, args: tuple[Argument, ...], kwargs: dict[str, Any]) -> Any:
        integer = getattr(target, "namespace", None) == "blockfront"
        given = map_aggregate((args, kwargs), _narrow if integer else _wide)
        return super().call_function(target, *given)


def _wide(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.dtype == torch.float32 else value


def _narrow(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.float64 else value
