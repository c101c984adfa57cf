"""What networks that find boxes by anchors share, whatever their backbone is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from blockfront.design_space.detector import AnchorsApart
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.network import ImageNetwork
from blockfront.errors import UsageError
from blockfront.signature import Input, Signature
from blockfront.tasks import DETECTION, INSTANCES


@dataclass(frozen=True)
class AnchorNetwork(ImageNetwork):
    """A backbone, and a `DetectorHead` on maps that it gives."""

    places: ClassVar[str] = "boxes"

    head: DetectorHead = field(kw_only=True)
    task: str = field(default=DETECTION, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.task == INSTANCES) != (self.head.prototypes > 0):
            raise UsageError(
                f"a network for {INSTANCES} has a head with prototypes, such as _p16, and others have none: "
                f"{self.head} is no head for {self.task}"
            )

    def identity(self) -> dict[str, Any]:
        fields = super().identity()
        if not self.head.prototypes:
            del fields["head"]["prototypes"]
        return fields

    @property
    @abstractmethod
    def sides(self) -> tuple[int, ...]:
        """Height and width of the maps that levels are made of; the last ones count."""

    @property
    @abstractmethod
    def handed_out(self) -> tuple[tuple[int, int], ...]:
        """Channels and side of each map that the backbone gives the head."""

    @abstractmethod
    def build_head(self) -> nn.Module:
        """All that follows the backbone: these maps to logits (N, boxes, classes) and deltas (N, boxes, 4)."""

    @property
    def head_signature(self) -> Signature:
        """What that takes."""
        maps = enumerate(self.handed_out)
        return Signature(tuple(Input(f"stage{place}", (1, width, side, side)) for place, (width, side) in maps))

    @property
    def boxes(self) -> int:
        """How many anchors an image has."""
        return self.head.boxes(self.sides)

    @property
    def maps(self) -> tuple[int, ...]:
        """Height and width of each level."""
        return self.head.maps(self.sides)

    def deploying(self, module: nn.Module, artefact: Any = None) -> nn.Module:
        """As of every network; it gives logits and encoded boxes, and no anchors."""
        return AnchorsApart(super().deploying(module, artefact)).eval()
