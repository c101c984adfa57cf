"""What a network is made of: a stem, stages of blocks, a head."""

from __future__ import annotations

from dataclasses import dataclass

from blockfront.blocks import BLOCKS, Scalar
from blockfront.errors import UsageError

BlockOptions = tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True)
class Stem:
    """A kxk convolution from 3 to `width` channels, batch norm, activation; a 3x3/2 max pool if `pool`."""

    width: int
    kernel: int = 3
    stride: int = 2
    act: str = "relu"
    pool: bool = False

    @property
    def total_stride(self) -> int:
        """How many times smaller the output is than the image."""
        return self.stride * (2 if self.pool else 1)


@dataclass(frozen=True)
class StageSpec:
    """`depth` blocks of one type; the first has the stride and changes the width.

    `options` holds every option of the block, defaults too, sorted by name: make one with `StageSpec.of`.
    """

    block: str
    depth: int
    width: int
    stride: int = 1
    options: BlockOptions = ()

    @classmethod
    def of(cls, block: str, depth: int, width: int, stride: int = 1, **options: Scalar) -> StageSpec:
        """A stage with the block's defaults filled in; raises `UsageError` for what it does not take."""
        entry = BLOCKS[block]
        given = {name: entry.option(name, value) for name, value in options.items()}
        for name, value in (("depth", depth), ("width", width)):
            if type(value) is not int or value < 1:
                raise UsageError(f"{name} of a stage is a whole number of at least 1, not {value!r}")
        if stride not in (1, 2):
            raise UsageError(f"stride of a stage is 1 or 2, not {stride!r}")
        return cls(block, depth, width, stride, tuple(sorted({**entry.options, **given}.items())))


@dataclass(frozen=True)
class Head:
    """A 1x1 convolution to `width` channels (none when 0), average pooling and the linear classifier."""

    width: int = 0
    act: str = "relu"

    def __post_init__(self) -> None:
        if self.width == 0:
            # Nothing is activated then, and one network has one spelling.
            object.__setattr__(self, "act", "")
