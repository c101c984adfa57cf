"""A network as data: what it is made of, its identity, and the module built from it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import msgspec
from torch import nn

from bench.design_space.build import ConvolutionalNetwork
from bench.design_space.cost import Cost, sum_cost
from bench.design_space.spec import Head, StageSpec, Stem
from bench.design_space.text import format_parts, parse_parts
from bench.errors import UsageError


@dataclass(frozen=True)
class Network:
    """One point of a design space; raises `UsageError` when its strides exceed its resolution.

    `str(network)` is its text form, which `Network.parse` reads back. JSON both ways through msgspec.
    """

    resolution: int
    num_classes: int
    stem: Stem
    stages: tuple[StageSpec, ...]
    head: Head
    kind: Literal["cnn"] = "cnn"

    def __post_init__(self) -> None:
        if self.resolution < 1 or self.num_classes < 1:
            raise UsageError(
                "a network needs a positive resolution and number of classes, "
                f"not {self.resolution} and {self.num_classes}"
            )
        total = self.stem.total_stride * math.prod(stage.stride for stage in self.stages)
        if total > self.resolution:
            raise UsageError(
                f"strides of {total} in all leave nothing of {self.resolution} pixels; "
                "raise the resolution or lower a stride"
            )

    @cached_property
    def id(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the canonical JSON."""
        canonical = json.dumps(msgspec.to_builtins(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def family(self) -> str:
        """The block type the network is made of, or "mixed"."""
        blocks = {stage.block for stage in self.stages}
        return blocks.pop() if len(blocks) == 1 else "mixed"

    @property
    def cost(self) -> Cost:
        """MACs, parameters and activations of the deployed network at batch 1."""
        return network_cost(self)

    def build(self) -> nn.Module:
        """A module from (N, 3, resolution, resolution) to logits (N, num_classes), randomly initialised.

        The weights follow torch's global random state. Raises `UsageError` when a block cannot take its
        widths.
        """
        return ConvolutionalNetwork(self.stem, self.stages, self.head, self.num_classes)

    def __str__(self) -> str:
        return format_parts(self.resolution, self.num_classes, self.stem, self.stages, self.head)

    @classmethod
    def parse(cls, text: str) -> Network:
        """The network with this text form; raises `UsageError` that shows the segment which is wrong."""
        return cls(*parse_parts(text))


def network_cost(network: Network) -> Cost:
    """The same as `count_cost(network.build(), network.resolution)`, faster for many alike networks."""
    return sum_cost(network.resolution, network.num_classes, network.stem, network.stages, network.head)
