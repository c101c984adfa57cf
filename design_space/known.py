"""Networks that are known by a name: timm's, torchvision's, and those of files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from blockfront.design_space.cost import count_cost
from blockfront.design_space.families import family_of_model
from blockfront.design_space.file_reference import file_of
from blockfront.design_space.image_size import OWN_SIZE, ImageSize
from blockfront.design_space.models import (
    DEFAULT_RESOLUTION,
    FactoryError,
    Model,
    find_model,
)
from blockfront.design_space.network import KINDS, Network
from blockfront.design_space.published import default_checkpoint
from blockfront.digest import digest
from blockfront.errors import RunError, UsageError
from blockfront.results.cost import Cost
from blockfront.signature import Signature
from blockfront.tasks import CLASSIFICATION, DETECTION

_TORCHVISION = "torchvision:"


@dataclass(frozen=True)
class KnownNetwork(Network):
    """The network that `find_model(name)` gives, for images of `size` (channels x height x width) or of its own.

    timm's are named with the tag of their weights, because accuracy is theirs: `resnet18.a1_in1k`. The text form is
    `known_3x224x224/NAME`, or `known/NAME` with an input of its own. `content` is a hash of the file that makes it,
    where one does: another content is another network.
    """

    name: str
    size: str | None = None
    content: str | None = None
    kind: Literal["known"] = "known"

    @property
    def model(self) -> Model:
        """What the name means now. Raises UsageError for a name that is nobody's."""
        return find_model(self.name, self._asked)

    @property
    def _asked(self) -> ImageSize:
        return OWN_SIZE if self.size is None else ImageSize.asked(None, self.size, None)

    @property
    def family(self) -> str:
        """Its architecture, as `family_of_model` names it; of a file of weights the family of the network it names."""
        named = self.model.network if self._tells else None
        return family_of_model(self.name) if named is None else Network.parse(named).family

    @property
    def signature(self) -> Signature:
        """What it takes; the size alone of one whose factory raises."""
        try:
            return self.model.signature
        except (FactoryError, RunError):
            return self._asked.of(Signature.image(DEFAULT_RESOLUTION))

    def sized(self, size: ImageSize) -> KnownNetwork:
        wanted = size.of(self.signature)
        return replace(self, size=None if wanted == self.signature and self.size is None else str(wanted))

    @property
    def boxes(self) -> int | None:
        """How many anchors a detector has; None for what is none that is known."""
        return boxes_of(self.model) if self._tells else None

    @property
    def purpose(self) -> str:
        return purpose_of(self.model) if self._tells else self.task

    @property
    def _tells(self) -> bool:
        """Whether its name says what it is for: a file of weights names its network, and torchvision has detectors."""
        return self.name.startswith(_TORCHVISION) or self.name.lower().endswith(".safetensors")

    @property
    def cost(self) -> Cost:
        return self.cost_of(self.deployed())

    def cost_of(self, module: nn.Module, artefact: Any = None) -> Cost:
        return cost_of_model(self.model, module) if self._tells else count_cost(module, self.signature)

    def build(self) -> nn.Module:
        return self.model.whole()

    def __str__(self) -> str:
        return f"{self.kind}{'' if self.size is None else f'_{self.size}'}/{self.name}"

    @classmethod
    def from_segments(cls, segments: list[str]) -> KnownNetwork:
        name = "/".join(segments[1:])
        match = re.fullmatch(r"known(?:_(\d+x\d+x\d+))?", segments[0])
        if match is None or not name:
            raise UsageError(f"network {'/'.join(segments)!r} is not known_<channels>x<height>x<width>/<model>")
        return cls(name, match[1], _content(name))


def known_network(ref: str, size: ImageSize = OWN_SIZE) -> Network:
    """The network that `ref` means, whatever `find_model` takes, for images of `size`, else of its own.

    A name of timm's without a tag means the weights of `default_checkpoint`. A factory that raises is a network all the
    same, which cannot be built, and so is an ONNX file that torch has no module for. Raises UsageError as `find_model`
    does for anything else.
    """
    if "/" in ref and ref.partition("/")[0].partition("_")[0] in KINDS:
        return Network.parse(ref).sized(size)
    try:
        model = find_model(ref, size)
    except (FactoryError, RunError) as error:
        # A file has a size of its own, though it may not be known here.
        own = isinstance(error, RunError) and size == OWN_SIZE
        asked = None if own else str(size.of(Signature.image(DEFAULT_RESOLUTION)))
        return KnownNetwork(ref, asked, _content(ref))
    model = find_model(default_checkpoint(model.name), size)
    return KnownNetwork(model.name, str(model.signature) if model.signature.is_image else None, _content(model.name))


def boxes_of(model: Model) -> int | None:
    """How many anchors a model has, where it is a detector of a space or of torchvision."""
    from blockfront.design_space.torchvision_detectors import SIZES, count_anchors

    if model.network is not None:
        return getattr(Network.parse(model.network), "boxes", None)
    name = model.name.removeprefix(_TORCHVISION)
    if name == model.name or name not in SIZES:
        return None
    height, width = model.signature.inputs[0].shape[2:]
    return count_anchors(name, height, width)


def cost_of_model(model: Model, module: nn.Module) -> Cost:
    """The cost of a model's module as it is deployed, and of a head where the model names a network that has one."""
    cost = count_cost(module, model.signature)
    return cost if model.network is None else replace(cost, head_macs=Network.parse(model.network).cost.head_macs)


def purpose_of(model: Model) -> str:
    """The task of a model, an entry of `TASKS`; one that nobody knows is taken for a classifier."""
    if model.network is not None:
        return Network.parse(model.network).task
    return CLASSIFICATION if boxes_of(model) is None else DETECTION


def _content(name: str) -> str | None:
    """A hash of the file that a name begins with; None where it names none."""
    path = file_of(name)
    if path is None:
        return None
    file = Path(path).expanduser()
    return digest(file.read_bytes(), 12) if file.is_file() else None


KINDS.add("known", KnownNetwork)
