"""What flows from block to block besides the tokens themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from blockfront.blocks.tokens.places import Places
from blockfront.blocks.tokens.selection import gather
from blockfront.errors import UsageError


@dataclass(frozen=True)
class Tokens:
    """A batch of token sequences.

    `x` (B, n, D); `size` (B, n): how many of the image's tokens each stands for, None where all stand for one;
    `mask` (B, n): 1 where a token is active and 0 where it only fills up, None where all are active;
    `source` (B, n, N): which of the image's N tokens each stands for, None unless asked for; `aside`: tokens taken
    out that come back later; `auxiliary`: logits (B, classes), or (B, patches, classes), of auxiliary heads; `places`:
    where the image's tokens are, None unless asked for.
    """

    x: Tensor
    size: Tensor | None = None
    mask: Tensor | None = None
    source: Tensor | None = None
    aside: tuple[Tokens, ...] = ()
    auxiliary: tuple[Tensor, ...] = ()
    places: Places | None = None

    @property
    def length(self) -> int:
        """Tokens of the sequence, active or not; a number also while torch traces, where a share of it would round."""
        return int(self.x.shape[1])

    @property
    def sizes(self) -> Tensor:
        """`size`, ones where it is None."""
        return self.x.new_ones(self.x.shape[:2]) if self.size is None else self.size

    @property
    def active(self) -> Tensor:
        """`mask`, ones where it is None."""
        return self.x.new_ones(self.x.shape[:2]) if self.mask is None else self.mask

    def followed_by(self, others: Sequence[Tokens]) -> Tokens:
        """These tokens and then the others', all of size 1 and active."""
        x = torch.cat([self.x, *(other.x for other in others)], dim=1)
        sources = [part.source for part in (self, *others) if part.source is not None]
        places = self.places and self.places.followed_by([part.places for part in others if part.places is not None])
        return replace(self, x=x, source=torch.cat(sources, dim=1) if sources else None, places=places)

    def at(self, positions: Tensor) -> Tokens:
        """The tokens at `positions` (B, k)."""
        parts = {name: getattr(self, name) for name in ("x", "size", "mask", "source")}
        taken: dict[str, Any] = {name: gather(part, positions) for name, part in parts.items() if part is not None}
        return replace(self, **taken, places=self.places and self.places.at(positions))

    @property
    def restored(self) -> Tensor:
        """(B, N, D): the features of each of the image's tokens in the image's order, wherever they are now.

        A merged token's are those of all it stands for; where a token was taken out and never came back, and where the
        one it is in only fills up, there are zeros. `places` must have been asked for.
        """
        if self.places is None:
            raise UsageError("it is not known where tokens are: a reducer makes its tokens of those given, by replace")
        return self.places.restore(self.x, self.mask)


@dataclass(frozen=True)
class ActiveTokens:
    """How many tokens a layer of a block works on: a mask, or where there is none, all `length` of them."""

    mask: Tensor | None
    length: int

    def count(self, batch: int) -> Tensor:
        """Active tokens of each image, (B,)."""
        if self.mask is None:
            return torch.full((batch,), float(self.length))
        return self.mask.float().sum(1)


@dataclass(frozen=True)
class Run:
    """One pass through a reduced network: its logits, or what else it gives, and what each block worked on.

    `attended` and `kept`: the stages before every block's attention and MLP; `tokens`: those after the last block.
    """

    logits: Any
    tokens: Tokens
    attended: tuple[ActiveTokens, ...]
    kept: tuple[ActiveTokens, ...]
    auxiliary: tuple[Tensor, ...] = field(default=())

    def counts(self) -> tuple[Tensor, Tensor]:
        """Active tokens before attention and before the MLP, (blocks, B) each."""
        attended, kept = (
            torch.stack([stage.count(len(self.tokens.x)).to(self.tokens.x.device) for stage in stages])
            for stages in (self.attended, self.kept)
        )
        return attended, kept
