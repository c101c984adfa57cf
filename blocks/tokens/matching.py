"""Bipartite matching of tokens by their keys, and merging of matched ones (Bolya et al. 2023, arXiv:2210.09461).

The prefix (class, distillation and register tokens) takes no part. Patch tokens alternate by position: the first,
third, … are destinations, the others are sources, and a source merges with the destination most like it. For a
network whose prefix is one class token these are the even and odd positions of the papers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from blockfront.blocks.tokens.selection import divide, gather, places_of
from blockfront.blocks.tokens.state import Tokens

_UNLIKE = -2.0  # below any cosine


@dataclass(frozen=True)
class Matches:
    """For each source token: the cosine of its keys with those of its best destination, and which that is, (B, s)."""

    cosine: Tensor
    partner: Tensor


@dataclass(frozen=True)
class MatchingMacs:
    """What matching and merging multiply themselves, for keys and tokens of these widths."""

    keys: int
    width: int

    @classmethod
    def of(cls, backbone: VisionTransformer) -> MatchingMacs:
        return cls(backbone.blocks[0].attn.head_dim, backbone.embed_dim)

    def total(self, length: int, prefix: int, merged: int) -> int:
        """MACs of one block's cosines between all sources and destinations and of adding `merged` sources."""
        sources = sources_of(length, prefix)
        destinations = length - prefix - sources
        return destinations * (sources * self.keys + merged * self.width)


def sources_of(length: int, prefix: int) -> int:
    """How many of `length` tokens are sources, which is how many can merge in one block."""
    return max(length - prefix, 0) // 2


def match(keys: Tensor, prefix: int, mask: Tensor | None = None) -> Matches:
    """The best destination of every source, by cosine of `keys` (B, n, d); inactive destinations are never one."""
    keys = keys.float()
    lengths = (keys * keys).sum(-1, keepdim=True).clamp(min=torch.finfo(keys.dtype).tiny)
    keys = keys * lengths.rsqrt()
    cosines = keys[:, prefix + 1 :: 2] @ keys[:, prefix::2].transpose(1, 2)
    if mask is not None:
        cosines = cosines.masked_fill(mask[:, None, prefix::2] == 0, _UNLIKE)
    best = cosines.amax(-1)
    # The first of equals: the highest count of destinations from it to the end.
    remaining = torch.arange(cosines.shape[2], 0, -1, device=keys.device, dtype=torch.float32)
    first = ((cosines >= best.unsqueeze(-1)).float() * remaining).amax(-1)
    return Matches(best, cosines.shape[2] - first)


def merge_masked(
    tokens: Tokens, importance: Tensor | None, matches: Matches, merged: Tensor, prefix: int
) -> tuple[Tokens, Tensor | None]:
    """Add the sources where `merged` (B, s) is 1 to their destinations; all tokens stay, reordered.

    The result stands as prefix, sources, destinations, with the mask the tokens came with: whoever merges decides
    what becomes of merged sources' masks.
    """
    if tokens.places is not None:
        own = torch.arange(merged.shape[1], device=merged.device)
        tokens = _followed(tokens, matches, torch.where(merged > 0, -1, own), merged.shape[1], prefix)
    parts = _Parts.of(tokens, importance, prefix)
    return parts.joined(parts.sources, matches.partner, merged, parts.sources)


def merge_most_alike(
    tokens: Tokens, importance: Tensor | None, matches: Matches, count: int, prefix: int
) -> tuple[Tokens, Tensor | None]:
    """Merge the `count` sources most like their destinations, and leave prefix, other sources, destinations."""
    batch, sources = matches.cosine.shape
    if 0 < count < sources:
        going, staying = divide(matches.cosine, count)
    else:
        every = torch.arange(sources, device=matches.cosine.device).expand(batch, -1)
        going, staying = every[:, :count], every[:, count:]
    if tokens.places is not None:
        tokens = _followed(tokens, matches, places_of(staying, sources), sources - count, prefix)
    parts = _Parts.of(tokens, importance, prefix)
    if count == 0:
        return parts.joined(parts.sources, None, None, None)
    if count == sources:
        return parts.joined(dict.fromkeys(parts.sources), matches.partner, None, parts.sources)
    kept = parts.picked(parts.sources, staying)
    return parts.joined(kept, gather(matches.partner, going), None, parts.picked(parts.sources, going))


def _followed(tokens: Tokens, matches: Matches, among: Tensor, left: int, prefix: int) -> Tokens:
    """`tokens`, whose places go where these are put: sources that stay to `among` (B, s), before the destinations, of
    `left` sources, and those where that is -1 to their destination."""
    assert tokens.places is not None
    batch, sources = among.shape
    destinations = torch.arange(tokens.length - prefix - sources, device=among.device).expand(batch, -1) + prefix + left
    moved = torch.where(among < 0, matches.partner.long() + prefix + left, among + prefix)
    pairs = torch.stack([destinations[:, :sources], moved], dim=2).flatten(1)
    leading = torch.arange(prefix, device=among.device).expand(batch, -1)
    to = _concatenated([leading, pairs, destinations[:, sources:]])
    assert to is not None
    return replace(tokens, places=tokens.places.moved(to, prefix + left + destinations.shape[1]))


_Columns = dict[str, Tensor | None]


@dataclass(frozen=True)
class _Parts:
    """Tokens and their importance cut into prefix, sources and destinations."""

    tokens: Tokens
    prefix: _Columns
    sources: _Columns
    destinations: _Columns

    @classmethod
    def of(cls, tokens: Tokens, importance: Tensor | None, prefix: int) -> _Parts:
        columns: _Columns = {
            "x": tokens.x,
            "size": tokens.size,
            "mask": tokens.mask,
            "source": tokens.source,
            "importance": importance,
        }

        def cut(part: slice) -> _Columns:
            return {name: None if value is None else value[:, part] for name, value in columns.items()}

        return cls(tokens, cut(slice(prefix)), cut(slice(prefix + 1, None, 2)), cut(slice(prefix, None, 2)))

    @staticmethod
    def picked(columns: _Columns, positions: Tensor) -> _Columns:
        return {name: None if value is None else gather(value, positions) for name, value in columns.items()}

    def joined(
        self, sources: _Columns, partner: Tensor | None, merged: Tensor | None, going: _Columns | None
    ) -> tuple[Tokens, Tensor | None]:
        """Prefix, `sources` and destinations, to which those of `going` are added where `merged` is 1."""
        prefix, destinations = dict(self.prefix), dict(self.destinations)
        if going is not None and partner is not None:
            destinations = _added(destinations, going, partner, merged)
            for columns in (prefix, sources):
                if columns["size"] is None and columns["x"] is not None:
                    columns["size"] = _ones(columns)
        together = {name: _concatenated([prefix[name], sources[name], destinations[name]]) for name in prefix}
        importance = together.pop("importance")
        return replace(self.tokens, **together), importance  # type: ignore[arg-type]


def _added(destinations: _Columns, going: _Columns, partner: Tensor, merged: Tensor | None) -> _Columns:
    """Means weighted by size, sums of sizes and sources, the highest importance."""
    x, moved = _tensor(destinations, "x"), _tensor(going, "x")
    places = torch.arange(x.shape[1], device=x.device, dtype=partner.dtype)
    chosen = (partner.unsqueeze(1) == places[:, None]).to(x.dtype)  # (B, destinations, going)
    if merged is not None:
        chosen = chosen * merged.unsqueeze(1).to(x.dtype)
    size, more = (_ones(part) if part["size"] is None else _tensor(part, "size") for part in (destinations, going))
    total = size + (chosen * more.unsqueeze(1)).sum(-1)
    mean = (x * size.unsqueeze(-1) + chosen @ (moved * more.unsqueeze(-1))) / total.unsqueeze(-1)
    result = destinations | {"x": mean, "size": total}
    if destinations["importance"] is not None:
        highest = (chosen * _tensor(going, "importance").unsqueeze(1)).amax(-1)
        result["importance"] = torch.maximum(_tensor(destinations, "importance"), highest)
    if destinations["source"] is not None:
        result["source"] = _tensor(destinations, "source") + chosen @ _tensor(going, "source")
    return result


def _tensor(columns: _Columns, name: str) -> Tensor:
    value = columns[name]
    assert value is not None
    return value


def _ones(columns: _Columns) -> Tensor:
    x = _tensor(columns, "x")
    return x.new_ones(x.shape[:2])


def _concatenated(parts: list[Tensor | None]) -> Tensor | None:
    # Compilers have no use for parts without tokens.
    tensors = [part for part in parts if part is not None and part.shape[1] > 0]
    return torch.cat(tensors, dim=1) if tensors else None
