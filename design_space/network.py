"""A network as data: what every kind has, and how its text becomes one again."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import msgspec
from torch import nn

from blockfront.adaptations import Adaptation
from blockfront.blocks.deployment import fuse_branches
from blockfront.design_space.cost import count_cost
from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.postprocess import postprocess_cost, with_postprocess
from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.registry import Registry
from blockfront.results.cost import Cost
from blockfront.signature import Signature
from blockfront.tasks import CLASSIFICATION, TASKS


@dataclass(frozen=True)
class Network(ABC):
    """A network of a space; a kind of networks is a frozen dataclass with a `kind`, added to `KINDS`.

    `task` is an entry of `blockfront.tasks.TASKS`. `str(network)` is its text form, which `Network.parse` reads back.
    JSON both ways through msgspec.
    """

    task: str = field(default=CLASSIFICATION, kw_only=True)

    def __post_init__(self) -> None:
        TASKS[self.task]

    @cached_property
    def id(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the canonical JSON of its identity."""
        canonical = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return digest(canonical, 12)

    def identity(self) -> dict[str, Any]:
        """Its fields as JSON, but for those that were added later and say what all networks were before."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        if self.task == CLASSIFICATION:
            del fields["task"]
        return fields

    @property
    def purpose(self) -> str:
        """The task that it is for: `task`, but of a network that is known by a name, which says what it can."""
        return self.task

    @property
    @abstractmethod
    def family(self) -> str:
        """What fronts compare: the block type, how tokens are reduced, or of a known network its architecture."""

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """What it takes."""

    @abstractmethod
    def sized(self, size: ImageSize) -> Network:
        """The network for the image that `size` asks for. Raises `UsageError` for one that it does not take."""

    @property
    def adaptation(self) -> Adaptation[Any] | None:
        """What data decide of it after its training, before it is compiled, and thereby perhaps what it costs."""
        return None

    @property
    @abstractmethod
    def cost(self) -> Cost:
        """The same as `count_cost(self.deployed(), self.signature)`."""

    def cost_of(self, module: nn.Module, artefact: Any = None) -> Cost:
        """The cost of `module`, which `deployed` gave with this artefact: data decide nothing of what a head costs."""
        if artefact is None:
            return self.cost
        return replace(count_cost(module, self.signature), head_macs=self.cost.head_macs)

    @abstractmethod
    def build(self) -> nn.Module:
        """A module that takes `signature`, randomly initialised.

        The weights follow torch's global random state. Raises `UsageError` for what cannot be built.
        """

    def artefact_in(self, facts: Mapping[str, str]) -> Any:
        """What its adaptation found of trained weights, by the header of their file; None where that says nothing."""
        if self.adaptation is None or "adaptations" not in facts:
            return None
        found = json.loads(facts["adaptations"]).get(self.adaptation.name)
        return None if found is None else msgspec.convert(found["artefact"], self.adaptation.artefact)

    def deployed(self, artefact: Any = None) -> nn.Module:
        """What runs on a target of a new network; see `deploying`."""
        return self.deploying(self.build(), artefact)

    def deploying(self, module: nn.Module, artefact: Any = None) -> nn.Module:
        """What runs on a target of a module that `build` made, which is not to be used any more.

        It is in evaluation mode, with its branches fused, and followed by the task's post-processing. A network with an
        `adaptation` is as its `artefact` has it, or as is assumed without one; others take none.
        """
        if self.adaptation is not None:
            module = self.adaptation.adapt(module, artefact)
        return with_postprocess(fuse_branches(module), self.task)

    @classmethod
    @abstractmethod
    def from_segments(cls, segments: list[str]) -> Network:
        """The network with these parts of a text form; raises `UsageError` that shows the one which is wrong."""

    @staticmethod
    def parse(text: str) -> Network:
        """The network with this text form; raises `UsageError` that shows the segment which is wrong."""
        segments = text.strip().split("/")
        kind = segments[0].partition("_")[0]
        if kind not in KINDS and len(segments) < 3:
            raise UsageError(
                f"network {text!r} needs at least cnn_<resolution>_n<classes>/stem_.../head, "
                "vit_<resolution>_n<classes>/p... or known_<size>/<model>"
            )
        return KINDS[kind].from_segments(segments)


@dataclass(frozen=True)
class ImageNetwork(Network):
    """A network of one square image in colour, `resolution` pixels high and wide, to (N, num_classes), such as logits.

    `num_classes` is how many outputs it has: classes, where it classifies. Only kinds with `places` say where in the
    picture things are; they give something else, which their task takes.
    """

    places: ClassVar[str] = ""

    resolution: int
    num_classes: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if TASKS[self.task].places != self.places:
            raise UsageError(f"{type(self).__name__} is no network for {self.task}")
        if self.resolution < 1 or self.num_classes < 1:
            raise UsageError(
                "a network needs a positive resolution and number of classes, "
                f"not {self.resolution} and {self.num_classes}"
            )

    @property
    def signature(self) -> Signature:
        return Signature.image(self.resolution)

    def sized(self, size: ImageSize) -> ImageNetwork:
        wanted = size.of(self.signature)
        if wanted.resolution is None or wanted.inputs != Signature.image(wanted.resolution).inputs:
            raise UsageError(f"a network of a space takes square images with 3 channels, not {wanted}")
        return replace(self, resolution=wanted.resolution)

    @property
    def cost(self) -> Cost:
        """As of every network, faster for many alike."""
        return self.layers_cost + postprocess_cost(self.task, self.num_classes)

    @property
    @abstractmethod
    def layers_cost(self) -> Cost:
        """The cost without the task's post-processing."""


KINDS: Registry[type[Network]] = Registry("kind of network")
