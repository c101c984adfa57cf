"""What a module gives: its outputs by name, what torch computes for them, and how far others are from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch
from torch import nn

from blockfront.agreement.float64 import in_float64
from blockfront.errors import RunError
from blockfront.signature import BARE, FLOATS, TOLERANCE, Signature, leaves

ROUNDING = 20
"""What float32 may cost, in multiples of what it costs torch: docs/method.md has the networks it is chosen by."""

FLOOR, WINOGRAD_FLOOR = 5e-6, 3e-5
"""What an output may be off by however little torch's is, and where Winograd's transforms F(4 × 4) round more."""

CEILING = 1e-2
"""What no rounding excuses: torch's own errors are as large where a module is another one at every call."""

RESOLVED = 8 * float(np.finfo(np.float32).eps)
"""What float32 may cost at least: some roundings, of one value and those that it is computed from."""

HALF_ROUNDING, HALF_FLOOR, HALF_CEILING = 8, 2e-3, 0.25
"""The same of float16."""

_OTHERS = 4
"""How many other inputs are tried before an output counts as constant."""


@dataclass(frozen=True)
class OutputError:
    """How far an output is from torch's: max|y - y_torch|, and that over max|y_torch|, which may be `tolerance`.

    Of whole numbers and booleans `relative` is the share of them that are others: labels have no distance. `torch` is
    how far torch's own output in the number format `rounded_to` is from y_torch, which is in float64 where a module
    runs so; None where there is nothing to compare it with.
    """

    name: str
    absolute: float
    relative: float
    tolerance: float
    torch: float | None = None
    rounded_to: str = "float32"

    @property
    def agrees(self) -> bool:
        """Whether it is near enough; what is not a number is not."""
        return self.relative <= self.tolerance


@dataclass(frozen=True)
class Output:
    """One tensor that a module gives, and what torch computes on the sample: in memory order, of type `reference`.

    That is float64 for floating-point numbers, computed in float64 throughout, and `torch_error` what torch's own
    output in `dtype` is off by, or in float16 where inner values are, as a share of the largest value. Where a module
    does not run so, it is `dtype`, and `torch_error` None but of float16.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    reference: str
    expected: bytes
    tolerance: float
    torch_error: float | None = None
    rounded_to: str = "float32"

    @property
    def array(self) -> np.ndarray:
        """What torch computes on the sample."""
        return np.frombuffer(self.expected, self.reference).reshape(self.shape)

    def compare(self, computed: np.ndarray) -> OutputError:
        """How far `computed` is from torch's. Raises `ValueError` when it is of another shape or type."""
        if (computed.shape, str(computed.dtype)) != (self.shape, self.dtype):
            raise ValueError(
                f"output {self.name} is {computed.shape} of {computed.dtype}, torch's is {self.shape} of {self.dtype}"
            )
        absolute, relative = compare(computed, self.array)
        if self.dtype not in FLOATS:
            relative = float((computed != self.array).mean()) if computed.size else 0.0
        return OutputError(self.name, absolute, relative, self.tolerance, self.torch_error, self.rounded_to)


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


def torch_outputs(
    module: nn.Module, signature: Signature, seed: int = 0, floor: float = FLOOR, halved: nn.Module | None = None
) -> tuple[Output, ...]:
    """What `module` gives for the inputs that `seed` draws, in float64 where it runs so.

    An output may be off by what the signature says; else, of floating-point numbers, by `ROUNDING` times what torch's
    own float32 is, or by `floor` if that is more, but not by a tenth of what it changes for other inputs, or a half
    where a tenth is below `RESOLVED`. Without float64 it is 1e-4. `halved` gives the same outputs in float16, in order:
    then they may be off by `HALF_ROUNDING` times what it is, at least. Raises `TypeError` for what is not made of
    tensors, `ValueError` for a tolerance whose output does not exist, and `RunError` for what no comparison could say
    anything of: an output that is not finite, or outputs that are all the same for other inputs.
    """
    samples = signature.random(seed)
    found = _run(module, samples)
    foreign = [name for name in signature.tolerances if name not in found]
    if foreign:
        raise ValueError(f"there is a tolerance for {foreign[0]!r}, and the outputs are {', '.join(found)}")
    for name, array in found.items():
        if not np.isfinite(array).all():
            raise RunError(
                f"torch's {_called(name)} is not finite on random inputs, so nothing can be compared with it"
            )
    changes = _changes(module, signature, seed, samples, found)
    precise = _run_in_float64(module, samples)
    own, rounded_to, bounds = found, "float32", (ROUNDING, floor, CEILING)
    if halved is not None:
        own, rounded_to = _run_in_float16(halved, samples, found), "float16"
        bounds = HALF_ROUNDING, HALF_FLOOR, HALF_CEILING

    def output(name: str, array: np.ndarray) -> Output:
        dtype, truth = str(array.dtype), precise.get(name, array)
        known = halved is not None or (dtype in FLOATS and truth.dtype == "float64")
        error = compare(own[name], truth)[1] if known else None
        times, least, most = bounds
        # Constant outputs aside, an error as large as a tenth of what the inputs change must be seen; where float32
        # does not resolve that, such as of scores near a bias, one of a half.
        change = changes.get(name, inf)
        visible = min(least, max(change / 10, min(change / 2, RESOLVED)) or least)
        rounding = _tolerance(array.dtype, error, times, visible, most)
        asked = signature.tolerances.get(name, rounding)
        allowed = asked if halved is None else max(asked, rounding)
        return Output(name, array.shape, dtype, str(truth.dtype), truth.tobytes(), allowed, error, rounded_to)

    return tuple(output(name, array) for name, array in found.items())


def _tolerance(dtype: np.dtype, torch_error: float | None, times: float, least: float, most: float) -> float:
    if torch_error is None:
        return max(TOLERANCE, 2 * float(np.finfo(dtype).eps)) if str(dtype) in FLOATS else 0.0
    return min(max(times * torch_error, least), most)


def _run(module: nn.Module, samples: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
    """The outputs by name; the samples are left alone even if the module works in place."""
    with torch.no_grad():
        found = tensors(module(*(sample.clone() for sample in samples)))
    return {name: tensor.detach().numpy().copy() for name, tensor in found.items()}


def _run_in_float64(module: nn.Module, samples: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
    """The outputs of float64, in so far as the module can be run so."""
    wide = [sample.double() if sample.dtype == torch.float32 else sample for sample in samples]
    try:
        with in_float64(module):
            found = _run(module, wide)
    except Exception:  # Whatever a module does that is tied to float32.
        return {}
    return {name: array for name, array in found.items() if array.dtype == "float64" and np.isfinite(array).all()}


def _run_in_float16(
    halved: nn.Module, samples: Sequence[torch.Tensor], found: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Its outputs by the names of `found`. Raises `RunError` where float16 holds them no longer."""
    values = dict(zip(found, _run(halved, samples).values(), strict=True))
    for name, array in values.items():
        if not np.isfinite(array).all():
            raise RunError(f"torch's {_called(name)} is not finite in float16, which ends at 65504: use float32")
    return values


def _changes(
    module: nn.Module,
    signature: Signature,
    seed: int,
    before: Sequence[torch.Tensor],
    found: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """How far each output is from what other inputs give, as a share of its largest value; none where inputs are equal.

    `found` is what those that `seed` drew, `before`, gave.

    Raises `RunError` when no output changes at all. Some may be constant beside others, as a detector's anchors are.
    """
    for other in range(seed + 1, seed + 1 + _OTHERS):
        samples = signature.random(other)
        if all(map(torch.equal, before, samples)):
            return {}
        now = _run(module, samples)
        changes = {
            name: compare(now[name], array)[1] if now[name].shape == array.shape else inf
            for name, array in found.items()
        }
        if any(changes.values()):
            return changes
    which = "the output is" if len(found) == 1 else "all outputs are"
    raise RunError(
        f"{which} the same for other inputs, so to agree with torch proves nothing: "
        "give a module whose weights let its inputs through, and that returns numbers before it chooses among them"
    )


def compare(computed: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """max|y - y_torch|, and that over max|y_torch|; 0 of an empty tensor."""
    difference = np.abs(np.subtract(computed, expected, dtype="float64"))
    absolute = float(difference.max(initial=0.0))
    return absolute, absolute / max(float(np.abs(expected.astype("float64")).max(initial=0.0)), 1e-30)


def compare_all(outputs: Sequence[Output], computed: Sequence[np.ndarray]) -> tuple[OutputError, ...]:
    """The error of each output."""
    return tuple(output.compare(array) for output, array in zip(outputs, computed, strict=True))


def worst(errors: Sequence[OutputError]) -> tuple[float, float, float | None]:
    """The largest absolute, relative and own error of torch, not a number if one is not; None of torch's if none is."""
    absolute, relative = ([getattr(error, name) for error in errors] for name in ("absolute", "relative"))
    own = [error.torch for error in errors if error.torch is not None]
    return float(np.max(absolute, initial=0.0)), float(np.max(relative, initial=0.0)), max(own, default=None)


def disagreement(errors: Sequence[OutputError], where: str) -> str | None:
    """What is wrong of the first output that is further from torch's than it may be, and `where`; None if none is."""
    for error in errors:
        if not error.agrees:
            own = "" if error.torch is None else f"; torch's own in {error.rounded_to} is {error.torch:.1e}"
            if 0 < error.tolerance < RESOLVED and error.rounded_to == "float32":
                own += ", and other inputs change it by little more: give weights that let inputs through"
            return (
                f"{_called(error.name)} {where} differs from torch: "
                f"relative error {error.relative:.1e} > {error.tolerance:.1e}{own}"
            )
    return None


def not_itself(module: nn.Module, samples: Sequence[torch.Tensor]) -> str | None:
    """What is wrong with a module that gives something else for the same inputs at the next call; else None."""
    first, second = _run(module, samples), _run(module, samples)
    if all(np.array_equal(first[name], second[name]) for name in first):
        return None
    return (
        "the module gives another output at every call with the same inputs: it keeps a state, or draws at random; "
        "compiled code does neither: take a state as an input and return it"
    )


def _called(name: str) -> str:
    return "output" if name == BARE else f"output {name}"
