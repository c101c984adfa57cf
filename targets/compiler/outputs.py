"""What a module gives: its outputs by name, what torch computes for them, and how far others are from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from blockfront.signature import BARE, Signature, leaves


@dataclass(frozen=True)
class OutputError:
    """How far an output is from torch's: max|y - y_torch|, and that over max|y_torch|, which may be `tolerance`."""

    name: str
    absolute: float
    relative: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether it is near enough; what is not a number is not."""
        return self.relative <= self.tolerance


@dataclass(frozen=True)
class Output:
    """One tensor that a module gives: what torch computes on the sample, in memory order, and its tolerance."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    expected: bytes
    tolerance: float

    @property
    def array(self) -> np.ndarray:
        """What torch computes on the sample."""
        return np.frombuffer(self.expected, self.dtype).reshape(self.shape)

    def compare(self, computed: np.ndarray) -> OutputError:
        """How far `computed` is from torch's. Raises `ValueError` when it is of another shape or type."""
        if (computed.shape, str(computed.dtype)) != (self.shape, self.dtype):
            raise ValueError(
                f"output {self.name} is {computed.shape} of {computed.dtype}, torch's is {self.shape} of {self.dtype}"
            )
        return OutputError(self.name, *compare(computed, self.array), self.tolerance)


def tensors(returned: Any) -> dict[str, torch.Tensor]:
    """What a module returns, by name; see `leaves`.

    Raises `TypeError` for a leaf that is no tensor, for two of one name, and where there is no tensor at all.
    """
    named = leaves(returned)
    if not named:
        raise TypeError(f"the module returns a {type(returned).__name__} without a tensor in it")
    for name, leaf in named:
        if not isinstance(leaf, torch.Tensor):
            what = "the module returns" if name == BARE else f"output {name} of the module is"
            raise TypeError(f"{what} a {type(leaf).__name__}, not a tensor")
    for name, count in Counter(name for name, _ in named).items():
        if count > 1:
            raise TypeError(f"{count} outputs of the module are called {name}")
    return dict(named)


def torch_outputs(module: nn.Module, samples: Sequence[torch.Tensor], signature: Signature) -> tuple[Output, ...]:
    """What `module` gives for `samples`, which it leaves alone even if it works in place.

    Raises `TypeError` for what is not made of tensors, and `ValueError` for a tolerance whose output does not exist.
    """
    with torch.no_grad():
        found = tensors(module(*(sample.clone() for sample in samples)))
    foreign = [name for name in signature.tolerances if name not in found]
    if foreign:
        raise ValueError(f"there is a tolerance for {foreign[0]!r}, and the outputs are {', '.join(found)}")

    def output(name: str, tensor: torch.Tensor) -> Output:
        array = tensor.detach().numpy()
        dtype = str(array.dtype)
        return Output(name, array.shape, dtype, array.tobytes(), signature.tolerance(name, dtype))

    return tuple(output(name, tensor) for name, tensor in found.items())


def compare(computed: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """max|y - y_torch|, and that over max|y_torch|; 0 of an empty tensor."""
    difference = np.abs(np.subtract(computed, expected, dtype="float64"))
    absolute = float(difference.max(initial=0.0))
    return absolute, absolute / max(float(np.abs(expected.astype("float64")).max(initial=0.0)), 1e-30)


def compare_all(outputs: Sequence[Output], computed: Sequence[np.ndarray]) -> tuple[OutputError, ...]:
    """The error of each output."""
    return tuple(output.compare(array) for output, array in zip(outputs, computed, strict=True))


def worst(errors: Sequence[OutputError]) -> tuple[float, float]:
    """The largest absolute and the largest relative error, not a number if one of them is not."""
    absolute, relative = ([getattr(error, name) for error in errors] for name in ("absolute", "relative"))
    return float(np.max(absolute, initial=0.0)), float(np.max(relative, initial=0.0))


def disagreement(errors: Sequence[OutputError], where: str) -> str | None:
    """What is wrong of the first output that is further from torch's than it may be, and `where`; None if none is."""
    for error in errors:
        if not error.agrees:
            name = "" if error.name == BARE else f" {error.name}"
            return f"output{name} {where} differs from torch: relative error {error.relative:.1e} > {error.tolerance}"
    return None
