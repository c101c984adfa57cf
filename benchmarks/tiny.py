"""Spaces of networks so small that a sweep over one is mostly the sweep: what kills and the tests of commands take."""

from blockfront.design_space import (
    DesignSpace,
    DetectorHead,
    DetectorSpace,
    PixelDecoder,
    Reduction,
    SegmenterSpace,
    Stage,
    TransformerSpace,
    VitDetectionSpace,
    VitSegmentationSpace,
    choice,
    integer,
)
from blockfront.tasks import INSTANCES

space = DesignSpace(
    "tiny",
    resolution=32,
    num_classes=10,
    stem=8,
    family=choice("ds", "ir"),
    stages=[
        Stage(depth=1, width=integer(8, 32, step=8), stride=2),
        Stage(depth=integer(1, 2), width=integer(8, 32, step=8), stride=2),
    ],
)

_stages = [Stage(depth=1, width=choice(8, 16), stride=2), Stage(depth=1, width=16, stride=2)]
_dense = {"stem": 8, "family": choice("er", "ds"), "stages": _stages}
detectors = DetectorSpace(
    "detectors", resolution=48, num_classes=6, detector=DetectorHead.of("ssdlite", stages=2), **_dense
)
instances = DetectorSpace(
    "instances",
    resolution=48,
    task=INSTANCES,
    num_classes=6,
    detector=DetectorHead.of("ssdlite", stages=2, fpn=8, prototypes=4),
    **_dense,
)
segmenters = SegmenterSpace(
    "segmenters",
    resolution=32,
    num_classes=7,
    decoder=PixelDecoder("fpn", stages=2, width=16, answer="labels"),
    **_dense,
)

_reduced = [Reduction("ltmp", target=0.8, variant="merge"), Reduction("cropr", r=3)]
_sizes = {"depth": 3, "width": 16, "head_width": 8, "mlp_ratio": 2}
transformers = TransformerSpace(
    "transformers",
    resolution=16,
    num_classes=10,
    patch=4,
    reductions=[Reduction("none"), Reduction("tome", r=3), *_reduced],
    **_sizes,
)
vit_detectors = VitDetectionSpace(
    "vit_detectors",
    resolution=32,
    num_classes=6,
    patch=8,
    stride=4,
    detector=DetectorHead.of("ssdlite", stages=2, fpn=16),
    reductions=_reduced,
    **_sizes,
)
vit_segmenters = VitSegmentationSpace(
    "vit_segmenters", resolution=32, num_classes=7, patch=8, reductions=_reduced, **_sizes
)
