"""Convolutional networks: a stem, stages of blocks and a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from blockfront.design_space.build import ConvolutionalNetwork, check_strides, family_of_stages
from blockfront.design_space.cost import sum_cost
from blockfront.design_space.network import KINDS, ImageNetwork
from blockfront.design_space.spec import Head, StageSpec, Stem
from blockfront.design_space.text import format_parts, format_start, parse_parts, parse_start
from blockfront.errors import UsageError
from blockfront.results.cost import Cost


@dataclass(frozen=True)
class CnnNetwork(ImageNetwork):
    """A network of convolutional blocks; raises `UsageError` when its strides exceed its resolution."""

    stem: Stem
    stages: tuple[StageSpec, ...]
    head: Head
    kind: Literal["cnn"] = "cnn"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strides(self.resolution, self.stem, self.stages)

    @property
    def family(self) -> str:
        """The block type the network is made of, or "mixed"."""
        return family_of_stages(self.stages)

    @property
    def layers_cost(self) -> Cost:
        return sum_cost(self.resolution, self.num_classes, self.stem, self.stages, self.head)

    def build(self) -> nn.Module:
        return ConvolutionalNetwork(self.stem, self.stages, self.head, self.num_classes)

    def __str__(self) -> str:
        start = format_start(self.kind, self.resolution, self.num_classes, self.task)
        return format_parts(start, self.stem, self.stages, self.head)

    @classmethod
    def from_segments(cls, segments: list[str]) -> CnnNetwork:
        if len(segments) < 3:
            text = "/".join(segments)
            raise UsageError(f"network {text!r} needs at least cnn_<resolution>_n<classes>/stem_.../head")
        resolution, num_classes, task = parse_start("cnn", segments[0])
        return cls(resolution, num_classes, *parse_parts(segments[1:]), task=task)


KINDS.add("cnn", CnnNetwork)
