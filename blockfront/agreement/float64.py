"""A module in float64: what it computes there is the truth that float32 is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.fx.node import map_aggregate
from torch.overrides import TorchFunctionMode


@contextmanager
def in_float64(module: nn.Module) -> Iterator[None]:
    """`module` with everything of float32 in it as float64 meanwhile, and code that asks for float32 given float64.

    Parameters, buffers and tensors that are plain attributes are the same objects with the same values afterwards.
    """
    parameters = {parameter: parameter.data for parameter in module.parameters() if parameter.dtype == torch.float32}
    attributes = [
        (names, name, value)
        for part in module.modules()
        for names in (part._buffers, vars(part))
        for name, value in names.items()
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32
    ]
    default = torch.get_default_dtype()
    try:
        for parameter, value in parameters.items():
            parameter.data = value.double()
        for names, name, value in attributes:
            names[name] = value.double()
        torch.set_default_dtype(torch.float64)
        with _Float64():
            yield
    finally:
        torch.set_default_dtype(default)
        for parameter, value in parameters.items():
            parameter.data = value
        for names, name, value in attributes:
            names[name] = value


class _Float64(TorchFunctionMode):
    """Calls that name float32, such as `x.float()` and `zeros(3, dtype=torch.float32)`, with float64 in its place."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        func = torch.Tensor.double if func is torch.Tensor.float else func
        given: Any = map_aggregate((args, kwargs or {}), _widened)
        return func(*given[0], **given[1])


def _widened(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
