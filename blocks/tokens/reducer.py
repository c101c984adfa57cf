"""What a token reduction method is to the transformer that it reduces, and the registry of methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from blockfront.blocks.tokens.attention import Attended
from blockfront.blocks.tokens.state import Run, Tokens
from blockfront.errors import UsageError
from blockfront.registry import Registry


class Reducer(nn.Module):
    """Removes tokens; its parameters are all that a method adds to a network.

    A method overrides what it needs: `between` for the place between a block's attention and its MLP, `after` for the
    end of the block. `prefix`: the tokens that lead the sequence and are never removed; `proportional`: whether
    attention counts a token as often as its size.
    """

    proportional: bool = True

    def __init__(self, prefix: int) -> None:
        super().__init__()
        self.prefix = prefix

    def needs_weights(self, index: int) -> bool:
        """Whether `between` of block `index` reads the attention's weights."""
        return False

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        """The tokens that go into block `index`'s MLP."""
        return tokens

    def after(self, index: int, tokens: Tokens) -> Tokens:
        """The tokens that block `index` hands on."""
        return tokens

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        """Tokens before every block's attention and MLP, for an image of `tokens`.

        Raises `UsageError` where they depend on the image.
        """
        raise UsageError("how many tokens are left depends on the image: give images to count MACs")

    def overhead(self, tokens: int) -> int:
        """MACs of the method's own matrix products on one image of `tokens`; raises `UsageError` as `counts` does."""
        return 0

    def outputs(self, tokens: int) -> int:
        """Elements that the method's own convolutions and linear layers give for one image of `tokens`."""
        return 0

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """What a method changes in its training before epoch number `epoch` of `epochs`, counted from 0."""

    def loss(self, run: Run, labels: Tensor, criterion: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """What training minimises: the criterion on the logits, and what the method adds to it."""
        return criterion(run.logits, labels)


@dataclass(frozen=True)
class Method:
    """A registered method: its frozen options, and how they and a backbone make a reducer."""

    name: str
    title: str
    source: str
    options: type
    make: Callable[[VisionTransformer, Any], Reducer] = field(repr=False)


_TILE, _LONG = 7, 128

METHODS: Registry[Method] = Registry("token reduction method")


def check_target(target: float | None) -> None:
    """Raises `UsageError` unless `target` is None or in (0, 1]."""
    if target is None:
        return
    if not isinstance(target, (int, float)) or isinstance(target, bool) or not 0 < target <= 1:
        raise UsageError(f"target {target!r} is out of range: a share of the blocks' MACs, above 0, up to 1")


def check_one_of(method: str, **given: object) -> None:
    """Raises `UsageError` unless exactly one of the options is set."""
    if sum(value is not None for value in given.values()) != 1:
        raise UsageError(f"{method} takes one of {' and '.join(given)}")


def check_count(name: str, value: object, lowest: int = 0) -> None:
    """Raises `UsageError` unless `value` is an integer of at least `lowest`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise UsageError(f"{name} must be an integer of at least {lowest}, not {value!r}")


def tile_of(tokens: int) -> int:
    """What the lengths of a sequence of so many tokens are multiples of where a method chooses them by a target.

    Schedules tile tokens by 7, 6 or 4, and the first serves Arm's cores best: 189 tokens take 2 % less time a token
    than 184 do (docs/tokens.md). Short sequences have no tokens to spare for that.
    """
    return _TILE if tokens >= _LONG else 1


def in_tiles(length: float, before: int, tile: int) -> int:
    """The multiple of `tile` next to `length`; `before` where that would take less than half a tile from so many."""
    tiled = tile * round(length / tile)
    return tiled if before - tiled >= tile / 2 else before


def evenly(rate: float, blocks: int, tokens: int) -> list[int]:
    """`rate` of `tokens` a block as integers that add up: 12.5 is 12, 13, 12, …; of long sequences in tiles."""
    removed = [math.floor(rate * block) for block in range(blocks + 1)]
    if (tile := tile_of(tokens)) > 1:
        removed = [tokens - in_tiles(max(tokens - rate * block, 0), tokens, tile) for block in range(blocks + 1)]
    return [after - before for before, after in pairwise(removed)]


def with_prefix(positions: Tensor, prefix: int) -> Tensor:
    """Positions among the patches (B, k) to positions among all tokens (B, prefix + k), the prefix first."""
    leading = torch.arange(prefix, device=positions.device).expand(positions.shape[0], -1)
    # Compilers have no use for a part without elements.
    return torch.cat([leading, positions + prefix], dim=1) if positions.shape[1] > 0 else leading
