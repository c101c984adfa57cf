"""Design spaces of detectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from blockfront.design_space.cnn_space import DesignSpace
from blockfront.design_space.det import DetectionNetwork
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.space import Take
from blockfront.tasks import DETECTION


@dataclass(frozen=True)
class DetectorSpace(DesignSpace):
    """Detectors whose backbones are the stems and stages of a `DesignSpace`, all with one head.

    `detector` is that head; `head`, a classifier's, must stay 0. `num_classes` are kinds of objects.

    >>> from blockfront.design_space import DetectorHead, Stage, choice
    >>> stages = [Stage(1, choice(16, 24), stride=2), Stage(1, choice(32, 48), stride=2)]
    >>> head = DetectorHead.of("ssdlite", stages=2)
    >>> space = DetectorSpace("tiny", detector=head, family="ir", stages=stages, resolution=32, num_classes=3)
    >>> str(space.sample(seed=0, index=0)).split("/")[-1]
    'ssdlite_l2_sabcdef.abcdef'
    """

    places: ClassVar[str] = "boxes"

    detector: DetectorHead = field(kw_only=True)
    task: str | None = field(default=DETECTION, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_body("detectors", "detector", self.detector.stages)

    def make(self, take: Take) -> DetectionNetwork:
        body = super().make_body(take)
        return DetectionNetwork(*body, self.detector, task=self.task_of_networks)

    def parts(self) -> dict[str, Any]:
        return {**super().parts(), "detector": str(self.detector)}
