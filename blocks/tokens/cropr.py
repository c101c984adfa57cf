"""Pruning by learned queries with auxiliary heads (Token Cropr: Bergner, Lippert & Mahendran 2025, CVPR, p. 9740).

A module after a block scores its tokens with a query, and the lowest go. While training, the module also attends to
the tokens with those scores and classifies what it gets: that loss alone teaches the query. The tokens taken out come
back before the last block. Of a backbone that classifies every patch, a module has a query for each of them, and
classifies each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from blockfront.blocks.tokens.fusion import CONCAT, LAST, NO_FUSION, PruningReducer, check_fusion
from blockfront.blocks.tokens.macs import TransformerMacs, solve_share
from blockfront.blocks.tokens.reducer import METHODS, Method, check_count, check_one_of, check_target, evenly
from blockfront.blocks.tokens.selection import divide
from blockfront.blocks.tokens.state import Run, Tokens
from blockfront.errors import UsageError
from blockfront.plurals import counted

_MLP_RATIO = 4
_SPELLINGS = {LAST: True, "true": True, "1": True, NO_FUSION: False, "false": False, "0": False}


@dataclass(frozen=True)
class Cropr:
    """Options of `cropr`: `target`, or `r` tokens pruned after every block, one more after the first.

    `fusion`: the tokens taken out come back before the last block (True or "last"), after it ("concat") or never
    (False or "none"); `queries` of each module, where it classifies the image; `auxiliary`: False leaves out what only
    training needs.
    """

    target: float | None = None
    r: int | None = None
    fusion: bool | str = True
    queries: int = 1
    auxiliary: bool = True

    def __post_init__(self) -> None:
        # One network has one spelling, the one of networks from before there was a third way.
        object.__setattr__(self, "fusion", _SPELLINGS.get(str(self.fusion).lower(), self.fusion))
        check_fusion("cropr", self.fusion, (True, False, CONCAT))
        check_one_of("cropr", target=self.target, r=self.r)
        check_target(self.target)
        check_count("queries of cropr", self.queries, 1)
        if self.r is not None:
            check_count("r of cropr", self.r)


class AuxiliaryHead(nn.Module):
    """Cross-attention to the tokens with the module's scores, an MLP and a classifier.

    Tokens (B, n, D) to the mean logits of the queries (B, classes), or where it is `dense` to (B, queries, classes).
    """

    def __init__(self, width: int, num_classes: int, dense: bool = False) -> None:
        super().__init__()
        self.dense = dense
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
        logits = self.head(self.head_norm(mixed))
        return logits if self.dense else logits.mean(1)


class CroprModule(nn.Module):
    """Queries (queries, D), whose summed products with a token are its score, and the head that teaches them."""

    def __init__(self, queries: int, width: int, num_classes: int | None, dense: bool = False) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(queries, width))
        nn.init.trunc_normal_(self.queries, std=width**-0.5)
        self.auxiliary = None if num_classes is None else AuxiliaryHead(width, num_classes, dense)

    def score(self, x: Tensor) -> Tensor:
        """(B, n, D) to (B, n): Σ_q q·x = (Σ_q q)·x, so that many queries cost as much as one."""
        return (x @ self.queries.sum(0).unsqueeze(1)).squeeze(-1)

    def reparameterize(self) -> None:
        """What `deploy` does: take out what only training needs, and replace the queries by their sum."""
        self.auxiliary = None
        self.queries = nn.Parameter(self.queries.detach().sum(0, keepdim=True))


class CroprReducer(PruningReducer):
    """Modules after the first blocks, each of which takes out `removes` tokens (those left permitting)."""

    def __init__(
        self, backbone: VisionTransformer, removes: tuple[int, ...], fusion: str, queries: int, auxiliary: bool
    ) -> None:
        super().__init__(backbone, fusion)
        self.width = backbone.embed_dim
        self.removes = removes
        # A backbone without a classifier hands features on; what an image shows as a whole then teaches the queries.
        self.dense = backbone.global_pool == "" and isinstance(backbone.head, nn.Linear)
        self.part_in_training = 1.0
        queries = backbone.patch_embed.num_patches if self.dense else queries
        classes = backbone.num_classes if auxiliary else None
        self.scorers = nn.ModuleList(CroprModule(queries, self.width, classes, self.dense) for _ in removes)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Where every patch is classified, the part of `removes` that training takes out rises from none in the first
        epoch to all in the last one of the first half."""
        half = epochs // 2
        self.part_in_training = min(epoch / max(half - 1, 1), 1.0) if self.dense and half else 1.0

    def after(self, index: int, tokens: Tokens) -> Tokens:
        return super().after(index, self._cropped(index, tokens) if index < len(self.removes) else tokens)

    def _cropped(self, index: int, tokens: Tokens) -> Tokens:
        module = self.scorers[index]
        assert isinstance(module, CroprModule)
        features = tokens.x.detach()
        auxiliary = tokens.auxiliary
        if self.training and module.auxiliary is not None:
            auxiliary = (*auxiliary, module.auxiliary(module.queries, features))
        tokens = replace(tokens, auxiliary=auxiliary)
        removes = math.floor(self.removes[index] * self.part_in_training) if self.training else self.removes[index]
        length = self._left(tokens.length, removes)
        if length == tokens.length:
            return tokens
        return self.parted(tokens, *divide(module.score(features)[:, self.prefix :].detach(), length - self.prefix))

    def _left(self, length: int, removes: int) -> int:
        return max(length - removes, min(self.prefix + 1, length))

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        lengths, everything = [tokens], tokens
        for index in range(self.blocks - 1):
            tokens = self._left(tokens, self.removes[index]) if index < len(self.removes) else tokens
            lengths.append(everything if self.fusion == LAST and index == self.blocks - 2 else tokens)
        return lengths, lengths

    def overhead(self, tokens: int) -> int:
        before = self.counts(tokens)[0]
        removing = (n for n, removes in zip(before, self.removes, strict=False) if self._left(n, removes) < n)
        return self.width * sum(removing)

    def outputs(self, tokens: int) -> int:
        """A score of every token where some are removed: the query is a linear layer with one output."""
        return self.overhead(tokens) // self.width

    def loss(self, run: Run, labels: Tensor, criterion: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """The criterion on the logits and, with the same weight, on those of every auxiliary head."""
        return sum((criterion(logits, labels) for logits in run.auxiliary), criterion(run.logits, labels))


def _make(backbone: VisionTransformer, options: Cropr) -> CroprReducer:
    fusion = CONCAT if options.fusion == CONCAT else LAST if options.fusion else NO_FUSION
    modules = len(backbone.blocks) - (2 if fusion == LAST else 1)
    if modules < 1:
        raise UsageError(
            f"cropr needs more than {counted(len(backbone.blocks), 'block')} to take tokens out between them"
        )
    if options.r is not None:
        removes = [options.r + 1, *[options.r] * (modules - 1)]
    else:
        assert options.target is not None
        macs = TransformerMacs.of(backbone)

        def share(rate: float) -> float:
            with torch.device("meta"):
                trial = CroprReducer(backbone, tuple(evenly(rate, modules, macs.tokens)), fusion, 1, auxiliary=False)
            return macs.share(*trial.counts(macs.tokens))

        removes = evenly(solve_share(share, 0, macs.tokens, options.target, "cropr"), modules, macs.tokens)
    return CroprReducer(backbone, tuple(removes), fusion, options.queries, options.auxiliary)


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
