"""What follows a backbone where pixels are told apart, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from blockfront.design_space.text import match_segment
from blockfront.errors import UsageError

DecoderKind = Literal["fpn", "lraspp"]
Answer = Literal["logits", "labels"]


@dataclass(frozen=True)
class PixelDecoder:
    """From the outputs of the last `stages` stages of a backbone to classes of pixels, by layers of `width` channels.

    `fpn` brings all these outputs to one width, adds to each the one above it, and tells classes apart on the finest
    (Lin et al. 2017, arXiv:1612.03144). `lraspp` is the one of MobileNetV3 (Howard et al. 2019, arXiv:1905.02244): the
    coarsest output, weighted channel by channel by what the whole image shows, and the finest one beside it.

    `answer` is what a target gives: `logits` of every pixel, bilinearly from those of the finest output, or `labels`,
    the class with the largest one, of the pixels of that output alone. The text form is `fpn_l4_f48` or
    `lraspp_l3_f128_labels`.
    """

    kind: DecoderKind
    stages: int
    width: int
    answer: Answer = "logits"

    def __post_init__(self) -> None:
        for what, kinds in ((self.kind, get_args(DecoderKind)), (self.answer, get_args(Answer))):
            if what not in kinds:
                raise UsageError(f"a decoder of pixels is or gives one of {', '.join(kinds)}, not {what!r}")
        if self.stages < (2 if self.kind == "lraspp" else 1) or self.width < 1:
            raise UsageError(f"a decoder of pixels has a width and one stage or more, lraspp two: {self}")

    def __str__(self) -> str:
        return f"{self.kind}_l{self.stages}_f{self.width}{'_labels' if self.answer == 'labels' else ''}"

    @classmethod
    def parse(cls, segment: str) -> PixelDecoder:
        """The decoder with this text form; raises `UsageError` that shows it."""
        kind, stages, width, labels = match_segment(
            segment, r"([a-z]+)_l(\d+)_f(\d+)(_labels)?", "<decoder>_l<stages>_f<width>[_labels]"
        )
        try:
            return cls(kind, int(stages), int(width), "labels" if labels else "logits")  # type: ignore[arg-type]
        except UsageError as error:
            raise UsageError(f"segment {segment!r}: {error}") from None
