"""Token merging at a fixed rate (ToMe: Bolya et al. 2023, arXiv:2210.09461)."""

from __future__ import annotations

from dataclasses import dataclass

from timm.models.vision_transformer import VisionTransformer

from blockfront.blocks.tokens.counted import CountedReducer
from blockfront.blocks.tokens.macs import TransformerMacs, solve_share
from blockfront.blocks.tokens.reducer import METHODS, Method, check_count, check_one_of, check_target, evenly
from blockfront.errors import UsageError
from blockfront.plurals import counted


@dataclass(frozen=True)
class ToMe:
    """Options of `tome`: `target`, or `r` tokens merged in every block.

    A tuple is r for each block. `inflection` tilts a constant r linearly: -1 from 2r in the first block to none in the
    last, 1 the other way. `proportional`: attention counts a token as often as its size, which the paper leaves off
    for MAE backbones that were not trained with merging.
    """

    target: float | None = None
    r: int | tuple[int, ...] | None = None
    inflection: float = 0.0
    proportional: bool = True

    def __post_init__(self) -> None:
        check_one_of("tome", target=self.target, r=self.r)
        check_target(self.target)
        for count in self.r if isinstance(self.r, tuple) else (self.r,) if self.r is not None else ():
            check_count("r of tome", count)
        if not -1 <= self.inflection <= 1:
            raise UsageError(f"inflection of tome lies between -1 and 1, not {self.inflection!r}")
        if self.inflection and not isinstance(self.r, int):
            raise UsageError("inflection of tome goes with one r for all blocks")


def merge_schedule(r: int, inflection: float, blocks: int) -> list[int]:
    """Tokens to merge in each block: linear from r(1 - i) to r(1 + i), the paper's decreasing schedule at i = -1."""
    first, last = int(r * (1 - inflection)), 2 * r - int(r * (1 - inflection))
    if blocks == 1:
        return [r]
    return [int(first + (last - first) * block / (blocks - 1)) for block in range(blocks)]


def _make(backbone: VisionTransformer, options: ToMe) -> CountedReducer:
    blocks = len(backbone.blocks)

    def reducer(merges: list[int]) -> CountedReducer:
        return CountedReducer(backbone, tuple(merges), proportional=options.proportional)

    if isinstance(options.r, tuple):
        if len(options.r) != blocks:
            raise UsageError(f"r of tome has {counted(len(options.r), 'number')} for {counted(blocks, 'block')}")
        return reducer(list(options.r))
    if options.r is not None:
        return reducer(merge_schedule(options.r, options.inflection, blocks))
    assert options.target is not None
    macs = TransformerMacs.of(backbone)

    def share(rate: float) -> float:
        return macs.share(*reducer(evenly(rate, blocks, macs.tokens)).counts(macs.tokens))

    return reducer(evenly(solve_share(share, 0, macs.tokens / 2, options.target, "tome"), blocks, macs.tokens))


METHODS.add(
    "tome",
    Method(
        "tome",
        "token merging at a fixed rate (ToMe)",
        "Bolya et al. 2023, arXiv:2210.09461",
        ToMe,
        _make,
    ),
)
