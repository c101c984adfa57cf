"""Where an image's tokens are while others merge and are taken out, and features put back into the image's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from blockfront.blocks.tokens.selection import gather, places_of
from blockfront.errors import UsageError
from blockfront.plurals import counted


@dataclass(frozen=True)
class Places:
    """In which token of a sequence each of an image's N tokens is.

    Merging says where every token goes and begins a new stage; taking out only thins the sequence of a stage. `stage`
    (B, N): the place of each of the image's tokens in the sequence at the beginning of the stage, -1 for one that was
    lost before; None where that is the image's own sequence. `kept` (B, n): which tokens of that sequence, which is
    `began` long, are left; None for all. `complete`: no token was lost.
    """

    began: int
    stage: Tensor | None = None
    kept: Tensor | None = None
    complete: bool = True

    @property
    def length(self) -> int:
        """Tokens of the sequence."""
        return self.began if self.kept is None else self.kept.shape[1]

    @property
    def now(self) -> Tensor | None:
        """(B, N): the place of each of the image's tokens in the sequence, -1 for none; None for its own order."""
        if self.kept is None:
            return self.stage
        return self._followed(places_of(self.kept, self.began))

    def at(self, positions: Tensor) -> Places:
        """With the tokens at `positions` (B, k) left, each once."""
        kept = positions if self.kept is None else gather(self.kept, positions)
        return replace(self, kept=kept, complete=self.complete and positions.shape[1] == self.length)

    def moved(self, to: Tensor, length: int) -> Places:
        """With every token of the sequence in the place `to` (B, n) of a new one of that `length`."""
        begun = self if self.kept is None else Places(self.length, self.now, None, self.complete)
        return Places(length, begun._followed(to), None, self.complete)

    def followed_by(self, others: Sequence[Places]) -> Places:
        """With tokens of the same stage behind these, each once."""
        if not others:
            return self
        assert self.stage is None, "tokens that were taken out come back only where none merged"
        kept = [part.kept for part in (self, *others) if part.kept is not None]
        together = torch.cat(kept, dim=1)
        return replace(self, kept=together, complete=together.shape[1] == self.began)

    def restore(self, x: Tensor, active: Tensor | None = None) -> Tensor:
        """Features (B, n, D) to (B, N, D): those of the token that each of the image's tokens is in.

        Zeros for a token that was lost, and for one in a token that `active` (B, n) says only fills up.
        """
        if x.shape[1] != self.length:
            raise UsageError(
                f"there are {counted(x.shape[1], 'token')} and the places of {self.length}: a reducer takes tokens out "
                "by Tokens.at and merges them by blockfront.blocks.tokens.matching"
            )
        place = self.now
        if place is None:
            return x if active is None else x * active.unsqueeze(-1).to(x.dtype)
        inside = place if self.complete else place.clamp(min=0)
        restored = gather(x, inside)
        if self.complete and active is None:
            return restored
        there = (place >= 0).to(x.dtype)
        if active is not None:
            there = there * gather(active, inside).to(x.dtype)
        return restored * there.unsqueeze(-1)

    def _followed(self, to: Tensor) -> Tensor:
        """Where the image's tokens are when those of the stage's sequence are in `to` (B, began)."""
        if self.stage is None:
            return to
        if self.complete:
            return gather(to, self.stage)
        return torch.where(self.stage < 0, self.stage, gather(to, self.stage.clamp(min=0)))
