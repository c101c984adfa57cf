"""The registry of our own decompositions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Decomposition = Callable[..., Any]
"""Takes the arguments of a call by the schema of its operator, and calls others instead."""

DECOMPOSITIONS: dict[Any, Decomposition] = {}


def decomposes(*names: str) -> Callable[[Decomposition], Decomposition]:
    """Register a decomposition of operators, by the name and overload torch gives them (`add.Tensor`)."""

    def register(function: Decomposition) -> Decomposition:
        for name in names:
            packet, overload = name.split(".")
            DECOMPOSITIONS[getattr(getattr(torch.ops.aten, packet), overload)] = function
        return function

    return register
