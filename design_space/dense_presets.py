"""Design spaces of networks that say where in a picture things are, by name."""

from __future__ import annotations

from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.detector_space import DetectorSpace
from blockfront.design_space.dimension import Dimension, choice, integer
from blockfront.design_space.pixel_decoder import Answer, PixelDecoder
from blockfront.design_space.preset import MOBILE_FAMILIES, patches_a_side
from blockfront.design_space.reduction import Reduction
from blockfront.design_space.segmenter_space import SegmenterSpace
from blockfront.design_space.stage import Stage
from blockfront.design_space.vit_detection import VitDetectionSpace
from blockfront.design_space.vit_segmentation import VitSegmentationSpace
from blockfront.errors import UsageError
from blockfront.tasks import DETECTION, INSTANCES


def detect(resolution: int = 96, num_classes: int = 6, prototypes: int = 0) -> DetectorSpace:
    """Detectors on backbones of the twelve families of mobile blocks, with one head: SSDLite's on a feature pyramid.

    Up to 128 pixels levels have strides of 8, 16, 32 and 64, with 5 to 25 M MACs at 96 pixels; above that of 16, 32
    and four more, with the same in proportion to the pixels. Stems always stride, for most of the MACs would be theirs
    otherwise. With `prototypes` they find masks as well.
    """
    small, pixels = resolution <= 128, (resolution / 96) ** 2
    levels, extras = (3, (64,)) if small else (2, (256, 256, 128, 128))
    return DetectorSpace(
        "instances" if prototypes else "detect",
        resolution=resolution,
        task=INSTANCES if prototypes else DETECTION,
        num_classes=num_classes,
        stem=choice(16, 24),
        family=choice(*MOBILE_FAMILIES),
        stages=_dense_stages(),
        multiplier=choice(0.25, 0.5, 1, 2, 4),
        detector=_ssdlite(levels, extras, 48 if small else 96, prototypes),
        constraints={"macs": (5e6 * pixels, 25e6 * pixels)},
    )


def detect_320(resolution: int = 320, num_classes: int = 80) -> DetectorSpace:
    """Detectors of COCO's shape on backbones of the twelve families, with SSDLite's own head and no feature pyramid.

    Levels are the stages of strides 16 and 32 and four more, of 512, 256, 256 and 128 channels (Sandler et al. 2018,
    section 6.2), six anchors each: 3,234 boxes. 150 to 900 M MACs at 320 pixels, else in proportion to the pixels.
    """
    pixels = (resolution / 320) ** 2
    return DetectorSpace(
        "detect_320",
        resolution=resolution,
        num_classes=num_classes,
        stem=integer(16, 32, step=8),
        family=choice(*MOBILE_FAMILIES),
        stages=_dense_stages(),
        multiplier=choice(0.5, 1, 2, 4),
        detector=DetectorHead.of("ssdlite", stages=2, extras=(512, 256, 256, 128)),
        constraints={"macs": (150e6 * pixels, 900e6 * pixels)},
    )


def segment(resolution: int = 64, num_classes: int = 7, answer: Answer = "logits") -> SegmenterSpace:
    """Segmenters on backbones of the twelve families of mobile blocks, with one decoder: a feature pyramid of stride 4.

    Stages have strides of 4, 8, 16 and 32, and MACs are 2 to 12 M at 64 pixels, else in proportion to the pixels.
    `answer` is the decoder's.
    """
    pixels = (resolution / 64) ** 2
    return SegmenterSpace(
        "segment" if answer == "logits" else "segment_labels",
        resolution=resolution,
        num_classes=num_classes,
        stem=choice(16, 24),
        family=choice(*MOBILE_FAMILIES),
        stages=_dense_stages(),
        multiplier=choice(0.25, 0.5, 1, 2, 4),
        decoder=PixelDecoder("fpn", stages=4, width=48, answer=answer),
        constraints={"macs": (2e6 * pixels, 12e6 * pixels)},
    )


def vit_segment(resolution: int = 64, num_classes: int = 7, labels: bool = False) -> VitSegmentationSpace:
    """Vision transformers that segment, plain and with tokens reduced in five ways, 4 to 40 M MACs at 64 pixels.

    MACs are in proportion to the pixels elsewhere. Patches cut the image into 8 to 16 a side up to 128 pixels, and 14
    to 32 above. Tokens that are taken out come back before the last block; LTMP merges alone. `labels`: deployed for
    those of patches. Raises `UsageError` for a resolution that no such patch divides.
    """
    small = resolution <= 128
    sides = patches_a_side(resolution, 8 if small else 14, 16 if small else 32)
    step = max(1, min(sides) ** 2 // 48)
    removed = integer(step, min(sides) ** 2 // 8, step)
    share = choice(0.5, 0.6, 0.7, 0.8, 0.9)
    pixels = (resolution / 64) ** 2
    return VitSegmentationSpace(
        "vit_segment_labels" if labels else "vit_segment",
        resolution=resolution,
        num_classes=num_classes,
        patch=choice(*(resolution // side for side in sides)),
        depth=integer(4, 8, step=2),
        width=integer(32, 128, step=32) if small else integer(64, 256, step=64),
        head_width=choice(16, 32),
        mlp_ratio=choice(2, 3, 4),
        reductions=_coming_back(share, removed),
        labels=labels,
        constraints={"macs": (4e6 * pixels, 40e6 * pixels)},
    )


def vit_detect(resolution: int = 96, num_classes: int = 6, prototypes: int = 0) -> VitDetectionSpace:
    """Vision transformers that find boxes, plain and with tokens reduced in five ways, 8 to 60 M MACs at 96 pixels.

    MACs are in proportion to the pixels elsewhere. All have one head: SSDLite's on a simple feature pyramid, with the
    levels of the space `detect`. Up to 128 pixels patches have 8 and 16, above that 16 and 32. Tokens that are taken
    out come back before the last block; LTMP merges alone. With `prototypes` they find masks as well. Raises
    `UsageError` for a resolution that no such patch divides.
    """
    small, pixels = resolution <= 128, (resolution / 96) ** 2
    patches = [patch for patch in ((8, 16) if small else (16, 32)) if resolution % patch == 0]
    if not patches:
        raise UsageError(f"patches of {8 if small else 16} pixels do not divide {resolution}; try 64, 96 or 224")
    fewest = (resolution // max(patches)) ** 2
    step = max(1, fewest // 24)
    removed = integer(step, max(step, fewest // 6), step)
    share = choice(0.5, 0.6, 0.7, 0.8, 0.9)
    levels, extras = (3, (64,)) if small else (2, (256, 256, 128, 128))
    return VitDetectionSpace(
        "vit_instances" if prototypes else "vit_detect",
        resolution=resolution,
        task=INSTANCES if prototypes else DETECTION,
        num_classes=num_classes,
        patch=choice(*patches),
        depth=integer(4, 8, step=2),
        width=integer(32, 128, step=32) if small else integer(64, 256, step=64),
        head_width=choice(16, 32),
        mlp_ratio=choice(2, 3, 4),
        reductions=_coming_back(share, removed),
        stride=min(patches),
        detector=_ssdlite(levels, extras, 48 if small else 96, prototypes),
        constraints={"macs": (8e6 * pixels, 60e6 * pixels)},
    )


def _ssdlite(levels: int, extras: tuple[int, ...], fpn: int, prototypes: int) -> DetectorHead:
    return DetectorHead.of("ssdlite", stages=levels, extras=extras, fpn=fpn, prototypes=prototypes)


def _coming_back(share: Dimension, removed: Dimension) -> list[Reduction]:
    """Five ways to reduce tokens, and none, that know something of every patch in the end."""
    return [
        Reduction("none"),
        Reduction("ltmp", target=share, variant="merge"),
        Reduction("tome", r=removed),
        Reduction("cropr", r=removed),
        Reduction("evit", keep=share, fusion="last"),
        Reduction("random", r=removed, fusion="last"),
    ]


def _dense_stages() -> list[Stage]:
    """Four stages that each halve the map, for heads that take the outputs of several."""
    kernel, expansion = choice(3, 5), choice(2, 3, 4)

    def stage(depth: Dimension, width: Dimension) -> Stage:
        return Stage(depth, width, stride=2, kernel=kernel, expansion=expansion)

    return [
        stage(integer(1, 2), integer(16, 32, step=8)),
        stage(integer(1, 3), integer(24, 48, step=8)),
        stage(integer(1, 3), integer(48, 96, step=16)),
        stage(integer(1, 3), integer(96, 160, step=16)),
    ]
