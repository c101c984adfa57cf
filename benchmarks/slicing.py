"""Networks that keep as many tokens as a reduced one and merely slice: what is left over is what a method costs.

The name of such a network is the text of the reduced one with `/sliced` behind it.
"""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from blockfront.blocks.tokens import ReducedTransformer, Reducer, Tokens
from blockfront.blocks.tokens.attention import Attended
from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.models import Model, find_model

SUFFIX = "/sliced"


class Slicing(Reducer):
    """The first tokens stay, as many as another method leaves: nothing is scored, matched, gathered or weighed."""

    proportional = False

    def __init__(self, prefix: int, attended: list[int], kept: list[int]) -> None:
        super().__init__(prefix)
        self.attended, self.kept = attended, kept

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        return _cut(tokens, self.kept[index])

    def after(self, index: int, tokens: Tokens) -> Tokens:
        return _cut(tokens, self.attended[index + 1]) if index + 1 < len(self.attended) else tokens

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        return self.attended, self.kept


def _cut(tokens: Tokens, length: int) -> Tokens:
    """The first `length` tokens; where that is more than there are, those cut off before come back."""
    if length > tokens.length:
        return replace(tokens.followed_by(tokens.aside), aside=())
    left, gone = (replace(tokens, x=tokens.x[:, part]) for part in (slice(length), slice(length, None)))
    return replace(left, aside=(*tokens.aside, gone)) if gone.length else tokens


def find_sliced(name: str, resolution: int) -> Model:
    """The network `name`, which ends in `/sliced`; raises UsageError for what `find_model` refuses."""
    reduced = find_model(name.removesuffix(SUFFIX), ImageSize(resolution, resolution))

    def build() -> nn.Module:
        model = reduced.build()
        assert isinstance(model, ReducedTransformer)
        counts = model.reducer.counts(model.macs.tokens)
        return model.with_reducer(Slicing(model.reducer.prefix, *counts))

    return Model(name, build, reduced.signature)
