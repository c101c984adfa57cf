"""A module's signature: the tensors it takes, and how near each of its outputs must come to torch's."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from blockfront.errors import UsageError

if TYPE_CHECKING:
    import torch

FLOATS = ("float16", "float32", "float64")
DTYPES = (*FLOATS, "int8", "uint8", "int16", "int32", "int64", "bool")
TOLERANCE = 1e-4
"""Of floating-point numbers whose rounding is not known: max|y - y_torch| over max|y_torch|."""

BARE = "output"
"""The name of what a module gives that returns one tensor by itself."""


@dataclass(frozen=True)
class Input:
    """One tensor that a module takes: its name, its shape with the batch of 1, and its type by torch's name.

    Samples of whole numbers are drawn from 0 until `below`; 0 and 1 are valid masks, and indices of most tables. Raises
    `UsageError` for a name that is no identifier of Python, a shape that holds nothing and a type that is none of
    `DTYPES`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    below: int = 2

    def __post_init__(self) -> None:
        # torch makes code of graphs, with the names of inputs in it.
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise UsageError(f"an input cannot be called {self.name!r}: take a name that Python has for variables")
        if self.dtype not in DTYPES:
            raise UsageError(f"input {self.name} cannot be of type {self.dtype!r}; known: {', '.join(DTYPES)}")
        if any(extent < 1 for extent in self.shape) or self.below < 1:
            raise UsageError(f"the shape of input {self.name} and its `below` must be 1 or more: {self}")

    def __str__(self) -> str:
        return f"{self.name} {'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype}"


@dataclass(frozen=True)
class Signature:
    """What a module takes, in the order it takes it, and the tolerances of what it gives.

    What a module gives is found by running it; see `leaves`. `tolerances` are by the names of outputs: what each may be
    off by, as a share of its largest value, or of whole numbers the share which may be others. Where it has none,
    floating-point numbers may be off by a multiple of what float32 costs torch (docs/method.md), and all others must be
    equal. `recorded` are inputs as they occur, which are taken in turn where others would be drawn: of what takes
    another time for each.

    >>> str(Signature.image(224, 320, channels=1))
    '1x224x320'
    """

    inputs: tuple[Input, ...]
    tolerances: Mapping[str, float] = field(default_factory=dict, hash=False)
    recorded: tuple[tuple[torch.Tensor, ...], ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def image(cls, height: int, width: int | None = None, channels: int = 3) -> Signature:
        """One float32 image (1, channels, height, width), square without a `width`."""
        return cls((Input("image", (1, channels, height, height if width is None else width)),))

    def batched(self, images: int) -> Signature:
        """The same for so many images at once: as often as much of the first dimension of every input.

        Raises `UsageError` where an input has no dimensions, or there are less than one.

        >>> Signature.image(32).batched(8).inputs[0].shape
        (8, 3, 32, 32)
        """
        if images < 1:
            raise UsageError(f"--batch must be 1 or more, not {images}")
        if images == 1:
            return self
        scalars = [one.name for one in self.inputs if not one.shape]
        if scalars:
            raise UsageError(f"input {scalars[0]} is a single number, which has no batch: leave --batch out")
        inputs = (replace(one, shape=(images * one.shape[0], *one.shape[1:])) for one in self.inputs)
        return replace(self, inputs=tuple(inputs))

    @property
    def is_image(self) -> bool:
        """Whether it is one float32 image and nothing else."""
        return len(self.inputs) == 1 and self.inputs[0].dtype == "float32" and len(self.inputs[0].shape) == 4

    @property
    def resolution(self) -> int | None:
        """Height and width of a square image, in pixels; None of anything else."""
        height, width = self.inputs[0].shape[2:] if self.is_image else (0, 1)
        return height if height == width else None

    @property
    def size(self) -> str:
        """What a reader is told: "224 pixels" of a square image in colour, of anything else `str`."""
        usual = self.resolution is not None and self.inputs[0].shape[1] == 3
        return f"{self.resolution} pixels" if usual else str(self)

    def __str__(self) -> str:
        """Channels, height and width of an image; otherwise every input."""
        if self.is_image:
            return "x".join(map(str, self.inputs[0].shape[1:]))
        return ", ".join(map(str, self.inputs))

    def zeros(self) -> tuple[torch.Tensor, ...]:
        """Inputs of zeros, on torch's default device: `with torch.device("meta")` they take no memory."""
        import torch

        return tuple(torch.zeros(one.shape, dtype=getattr(torch, one.dtype)) for one in self.inputs)

    def random(self, seed: int) -> tuple[torch.Tensor, ...]:
        """Inputs drawn with `seed`: normally distributed, or whole numbers from 0 until their `below`."""
        if self.recorded:
            return self.recorded[seed % len(self.recorded)]
        import torch

        generator = torch.Generator().manual_seed(seed)

        def draw(one: Input) -> torch.Tensor:
            dtype = getattr(torch, one.dtype)
            if one.dtype in FLOATS:
                return torch.randn(one.shape, generator=generator, dtype=dtype)
            return torch.randint(one.below, one.shape, generator=generator).to(dtype)

        return tuple(map(draw, self.inputs))


def leaves(returned: Any) -> list[tuple[str, Any]]:
    """Every leaf of nested tuples, lists and dicts, in order, with its name: keys, fields and positions joined by dots.

    A leaf that stands alone is `output`. None is left out: it says that there is no such output.

    >>> leaves({"boxes": 1, "levels": [2, None, 3]})
    [('boxes', 1), ('levels.0', 2), ('levels.2', 3)]
    """
    return [(".".join(names) or BARE, leaf) for names, leaf in _walk(returned, ())]


def _walk(part: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(part, Mapping):
        inside = list(part.items())
    elif isinstance(part, tuple) and hasattr(part, "_fields"):
        inside = list(zip(part._fields, part, strict=True))
    elif isinstance(part, tuple | list):
        inside = list(enumerate(part))
    else:
        if part is not None:
            yield names, part
        return
    for key, item in inside:
        yield from _walk(item, (*names, str(key)))
