"""torchvision's detectors up to their raw outputs: one network from the image to scores and boxes of all anchors."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from blockfront.errors import UsageError
from blockfront.tasks.box_suppression import BoxDecoding

SIZES = {
    "ssd300_vgg16": 300,
    "ssdlite320_mobilenet_v3_large": 320,
    "retinanet_resnet50_fpn": 800,
    "retinanet_resnet50_fpn_v2": 800,
}
"""Height and width that they bring a square picture to, in pixels."""
_RANDOM: dict[str, Any] = {"weights": None, "weights_backbone": None}


class RawOutputs(NamedTuple):
    """Logits (1, B, classes) and encoded boxes (1, B, 4) as torchvision's head gives them."""

    logits: Tensor
    deltas: Tensor


class RawDetector(nn.Module):
    """The backbone and the head of an SSD or a RetinaNet, for images that are prepared already.

    `anchors` (B, 4) are those of images of one size: centre x, centre y, width, height as shares of it. An SSD's
    `background` is its first class; a RetinaNet has none. Parameters are named as torchvision's are.
    """

    anchors: Tensor
    finds_masks: ClassVar[bool] = False

    def __init__(self, detector: Any, anchors: Tensor) -> None:
        super().__init__()
        self.backbone, self.head = detector.backbone, detector.head
        self.background = hasattr(detector, "neg_to_pos_ratio")
        self.variances = tuple(1 / weight for weight in detector.box_coder.weights)
        self.register_buffer("anchors", anchors, persistent=False)
        prepared = detector.transform
        self.pretrained_cfg = {"mean": tuple(prepared.image_mean), "std": tuple(prepared.image_std)}

    def forward(self, image: Tensor) -> RawOutputs:
        given = self.head(list(self.backbone(image).values()))
        return RawOutputs(given["cls_logits"], given["bbox_regression"])

    def decoding(self) -> BoxDecoding:
        """From its outputs to scores of each class and boxes."""
        return BoxDecoding(self.anchors.detach().clone(), self.background, self.variances, first=True)


def raw_detector(name: str, height: int, width: int) -> RawDetector:
    """The detector of this name in torchvision with random weights, for images of this size.

    Raises `UsageError` for one that is no single network, or whose boxes are coded otherwise.
    """
    from torchvision import models
    from torchvision.models.detection.image_list import ImageList

    check_detector(name)
    _, features = _shapes(name, height, width)
    detector: Any = models.get_model(name, **_RANDOM).eval()
    # Of images and maps only the sizes matter.
    nothing = torch.zeros(1)
    images = ImageList(nothing.expand(1, 3, height, width), [(height, width)])
    (corners,) = detector.anchor_generator(images, [nothing.expand(one.shape) for one in features])
    shares = corners / torch.tensor([width, height, width, height])
    sizes = shares[:, 2:] - shares[:, :2]
    return RawDetector(detector, torch.cat([shares[:, :2] + sizes / 2, sizes], dim=1)).eval()


def count_anchors(name: str, height: int, width: int) -> int:
    """How many anchors the detector of this name has on images of this size; raises `UsageError` as `raw_detector`."""
    check_detector(name)
    detector, features = _shapes(name, height, width)
    each = detector.anchor_generator.num_anchors_per_location()
    return sum(count * one.shape[2] * one.shape[3] for count, one in zip(each, features, strict=True))


def _shapes(name: str, height: int, width: int) -> tuple[Any, list[Tensor]]:
    """A detector without values, and its feature maps for an image of this size."""
    from torchvision import models

    with torch.device("meta"):
        detector: Any = models.get_model(name, **_RANDOM).eval()
        return detector, list(detector.backbone(torch.zeros(1, 3, height, width)).values())


def check_detector(name: str) -> None:
    """Raise `UsageError` for a detector of torchvision that is not compiled, with the reason."""
    if name in SIZES:
        return
    known = ", ".join(f"torchvision:{one}" for one in SIZES)
    reason = "looks at regions that a first network finds, and how many depends on the picture"
    if name.startswith("fcos"):
        reason = "gives distances and a centre-ness, which nothing here decodes"
    raise UsageError(f"torchvision:{name} {reason}; detectors of one network and anchors are {known}")
