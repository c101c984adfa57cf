"""Pruning by learned queries with auxiliary heads (Token Cropr: Bergner, Lippert & Mahendran 2025, CVPR, p. 9740).

A module after a block scores its tokens with a query, and the lowest go. While training, the module also attends to
the tokens with those scores and classifies what it gets: that loss alone teaches the query. The tokens taken out come
back before the last block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from blockfront.blocks.tokens.macs import TransformerMacs, solve_share
from blockfront.blocks.tokens.reducer import (
    METHODS,
    Method,
    Reducer,
    check_count,
    check_one_of,
    check_target,
    evenly,
    with_prefix,
)
from blockfront.blocks.tokens.selection import divide
from blockfront.blocks.tokens.state import Run, Tokens
from blockfront.errors import UsageError

_MLP_RATIO = 4


@dataclass(frozen=True)
class Cropr:
    """Options of `cropr`: `target`, or `r` tokens pruned after every block, one more after the first.

    `fusion`: the tokens taken out come back before the last block; `queries` of each module; `auxiliary`: False leaves
    out what only training needs.
    """

    target: float | None = None
    r: int | None = None
    fusion: bool = True
    queries: int = 1
    auxiliary: bool = True

    def __post_init__(self) -> None:
        check_one_of("cropr", target=self.target, r=self.r)
        check_target(self.target)
        check_count("queries of cropr", self.queries, 1)
        if self.r is not None:
            check_count("r of cropr", self.r)


class AuxiliaryHead(nn.Module):
    """Cross-attention to the tokens with the module's scores, an MLP and a classifier: tokens (B, n, D) to logits."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, _MLP_RATIO * width), nn.GELU(), nn.Linear(_MLP_RATIO * width, width))
        self.head_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, queries: Tensor, x: Tensor) -> Tensor:
        attention = (queries @ x.transpose(1, 2) / math.sqrt(x.shape[-1])).softmax(-1)
        mixed = attention @ x
        mixed = mixed + self.mlp(self.norm(mixed))
        return self.head(self.head_norm(mixed)).mean(1)


class CroprModule(nn.Module):
    """Queries (queries, D), whose summed products with a token are its score, and the head that teaches them."""

    def __init__(self, queries: int, width: int, num_classes: int | None) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(queries, width))
        nn.init.trunc_normal_(self.queries, std=width**-0.5)
        self.auxiliary = None if num_classes is None else AuxiliaryHead(width, num_classes)

    def score(self, x: Tensor) -> Tensor:
        """(B, n, D) to (B, n): Σ_q q·x = (Σ_q q)·x, so that many queries cost as much as one."""
        return (x @ self.queries.sum(0).unsqueeze(1)).squeeze(-1)

    def reparameterize(self) -> None:
        """What `deploy` does: take out what only training needs, and replace the queries by their sum."""
        self.auxiliary = None
        self.queries = nn.Parameter(self.queries.detach().sum(0, keepdim=True))


class CroprReducer(Reducer):
    """Modules after the first blocks, each of which takes out `removes` tokens (those left permitting)."""

    def __init__(
        self, backbone: VisionTransformer, removes: tuple[int, ...], fusion: bool, queries: int, auxiliary: bool
    ) -> None:
        super().__init__(backbone.num_prefix_tokens)
        self.blocks = len(backbone.blocks)
        self.width = backbone.embed_dim
        self.removes = removes
        self.fusion = fusion
        classes = backbone.num_classes if auxiliary else None
        self.scorers = nn.ModuleList(CroprModule(queries, self.width, classes) for _ in removes)

    def after(self, index: int, tokens: Tokens) -> Tokens:
        if index < len(self.removes):
            tokens = self._cropped(index, tokens)
        if self.fusion and index == self.blocks - 2:
            tokens = replace(tokens.followed_by(tokens.aside), aside=())
        return tokens

    def _cropped(self, index: int, tokens: Tokens) -> Tokens:
        module = self.scorers[index]
        assert isinstance(module, CroprModule)
        features = tokens.x.detach()
        auxiliary = tokens.auxiliary
        if self.training and module.auxiliary is not None:
            auxiliary = (*auxiliary, module.auxiliary(module.queries, features))
        length = self._left(index, tokens.length)
        if length == tokens.length:
            return replace(tokens, auxiliary=auxiliary)
        staying, going = divide(module.score(features)[:, self.prefix :].detach(), length - self.prefix)
        aside = (*tokens.aside, tokens.at(going + self.prefix)) if self.fusion else ()
        left = tokens.at(with_prefix(staying, self.prefix))
        return replace(left, aside=aside, auxiliary=auxiliary)

    def _left(self, index: int, length: int) -> int:
        return max(length - self.removes[index], min(self.prefix + 1, length))

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        lengths, everything = [tokens], tokens
        for index in range(self.blocks - 1):
            tokens = self._left(index, tokens) if index < len(self.removes) else tokens
            lengths.append(everything if self.fusion and index == self.blocks - 2 else tokens)
        return lengths, lengths

    def overhead(self, tokens: int) -> int:
        before = self.counts(tokens)[0]
        removing = (n for index, n in enumerate(before[: len(self.removes)]) if self._left(index, n) < n)
        return self.width * sum(removing)

    def outputs(self, tokens: int) -> int:
        """A score of every token where some are removed: the query is a linear layer with one output."""
        return self.overhead(tokens) // self.width

    def loss(self, run: Run, labels: Tensor, criterion: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """The criterion on the logits and, with the same weight, on those of every auxiliary head."""
        return sum((criterion(logits, labels) for logits in run.auxiliary), criterion(run.logits, labels))


def _make(backbone: VisionTransformer, options: Cropr) -> CroprReducer:
    modules = len(backbone.blocks) - (2 if options.fusion else 1)
    if modules < 1:
        raise UsageError(f"cropr needs more than {len(backbone.blocks)} blocks to take tokens out between them")
    if options.r is not None:
        removes = [options.r + 1, *[options.r] * (modules - 1)]
    else:
        assert options.target is not None
        macs = TransformerMacs.of(backbone)

        def share(rate: float) -> float:
            with torch.device("meta"):
                trial = CroprReducer(backbone, tuple(evenly(rate, modules)), options.fusion, 1, auxiliary=False)
            return macs.share(*trial.counts(macs.tokens))

        removes = evenly(solve_share(share, 0, macs.tokens, options.target, "cropr"), modules)
    return CroprReducer(backbone, tuple(removes), options.fusion, options.queries, options.auxiliary)


METHODS.add(
    "cropr",
    Method(
        "cropr",
        "pruning by learned queries with auxiliary heads (Token Cropr)",
        "Bergner, Lippert & Mahendran 2025, CVPR, pp. 9740-9750",
        Cropr,
        _make,
    ),
)
