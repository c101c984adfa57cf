"""The registry of our own decompositions."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch

Decomposition = Callable[..., Any]
"""Takes the arguments of a call by the schema of its operator, and calls others instead."""

DECOMPOSITIONS: dict[Any, Decomposition] = {}
FOREIGN: dict[str, Decomposition] = {}
"""Of operators that other packages have, by name, since there are none before their package is imported."""

IS_KNOWN: ContextVar[Callable[[torch.Tensor], bool]] = ContextVar("is_known", default=lambda tensor: True)
"""Says of a tensor, while operators are recorded, whether its values are the same for every input."""


def is_known(tensor: torch.Tensor) -> bool:
    """Whether a decomposition may look at the values of `tensor`."""
    return IS_KNOWN.get()(tensor)


def decomposes(*names: str) -> Callable[[Decomposition], Decomposition]:
    """Register a decomposition of operators, by the name and overload torch gives them.

    `add.Tensor` is ATen's; another package's has its name in front, `torchvision.nms.default`.
    """

    def register(function: Decomposition) -> Decomposition:
        for name in names:
            *package, packet, overload = name.split(".")
            if package:
                FOREIGN[name] = function
                continue
            DECOMPOSITIONS[getattr(getattr(torch.ops.aten, packet), overload)] = function
        return function

    return register
