"""Design spaces by name. The ranges are this suite's choices, not those of a paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from blockfront.design_space.cnn_space import DesignSpace
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.detector_space import DetectorSpace
from blockfront.design_space.dimension import Dimension, choice, integer
from blockfront.design_space.pixel_decoder import Answer, PixelDecoder
from blockfront.design_space.reduction import Reduction
from blockfront.design_space.segmenter_space import SegmenterSpace
from blockfront.design_space.space import Space
from blockfront.design_space.stage import Stage
from blockfront.design_space.vit_segmentation import VitSegmentationSpace
from blockfront.design_space.vit_space import TransformerSpace
from blockfront.errors import UsageError
from blockfront.registry import Registry

MOBILE_FAMILIES = (
    "ds",
    "ir",
    "ir_se",
    "er",
    "uir",
    "ghost",
    "shufflenet_v1",
    "shufflenet_v2",
    "fire",
    "mixconv",
    "rep",
    "convnext",
)
RESNET_FAMILIES = ("basic", "bottleneck", "resnext")


@dataclass(frozen=True)
class Preset:
    """A named space for any input: `build(resolution, num_classes)`, by default of the figures here.

    `dataset` is what its networks are trained on where nobody names a data set, None for the usual one.
    """

    title: str
    build: Callable[[int, int], Space]
    resolution: int = 224
    num_classes: int = 1000
    dataset: str | None = None


SPACES: Registry[Preset] = Registry("design space")


def mobile(resolution: int = 224, num_classes: int = 1000) -> DesignSpace:
    """Twelve families of mobile blocks, 50 to 600 M MACs at 224 pixels, else in proportion to the pixels.

    Below 96 pixels the stem does not stride and widths are half as large, so that the last stage still sees a
    grid and MACs stay in proportion: 1.0 to 12.2 M at 32 pixels.
    """
    small = resolution < 96
    kernel = choice(3, 5, 7)
    expansion = choice(2, 3, 4, 6)
    variant = choice("extradw", "ib", "convnext", "ffn")
    groups = choice(2, 4, 8)
    ratio = choice(0.125, 0.25)

    def stage(depth: Dimension, width: Dimension) -> Stage:
        return Stage(
            depth,
            width,
            stride=2,
            kernel=kernel,
            expansion=expansion,
            variant=variant,
            groups=groups,
            ratio=ratio,
        )

    return DesignSpace(
        "mobile",
        resolution=resolution,
        num_classes=num_classes,
        stem=integer(8, 16, step=8) if small else integer(16, 32, step=8),
        stem_stride=1 if small else 2,
        family=choice(*MOBILE_FAMILIES),
        stages=[
            stage(integer(1, 2), integer(16, 32, step=8)),
            stage(integer(1, 4), integer(24, 56, step=8)),
            stage(integer(1, 6), integer(48, 112, step=16)),
            stage(integer(1, 4), integer(96, 224, step=32)),
        ],
        multiplier=choice(0.25, 0.5, 1, 2) if small else choice(0.5, 1, 2, 4),
        head=choice(0, 256, 512) if small else choice(0, 640, 1280),
        constraints={"macs": _scaled(50e6, 600e6, resolution)},
    )


def resnet(resolution: int = 224, num_classes: int = 1000) -> DesignSpace:
    """ResNet's three families, 100 M to 2 G MACs at 224 pixels and in proportion to the pixels elsewhere.

    The stem is ResNet's (7x7/2 and a max pool) from 96 pixels on, and that of its CIFAR version (3x3, no
    stride) below, with widths a quarter as large: 2.0 to 41 M MACs at 32 pixels.
    """
    small = resolution < 96
    group_size = choice(4, 8, 16)
    return DesignSpace(
        "resnet",
        resolution=resolution,
        num_classes=num_classes,
        stem=choice(8, 16) if small else choice(32, 48, 64),
        stem_kernel=3 if small else 7,
        stem_stride=1 if small else 2,
        stem_pool=not small,
        family=choice(*RESNET_FAMILIES),
        stages=[
            Stage(integer(1, 3), integer(32, 64, step=8), stride=1, group_size=group_size),
            Stage(integer(1, 4), integer(64, 128, step=16), stride=2, group_size=group_size),
            Stage(integer(1, 6), integer(128, 256, step=32), stride=2, group_size=group_size),
            Stage(integer(1, 3), integer(256, 512, step=64), stride=2, group_size=group_size),
        ],
        multiplier=choice(0.25, 0.5, 1) if small else choice(0.5, 1, 2, 4),
        constraints={"macs": _scaled(100e6, 2e9, resolution)},
    )


def vit(resolution: int = 224, num_classes: int = 1000) -> TransformerSpace:
    """Plain vision transformers and five ways to reduce tokens, 100 M to 2.5 G MACs at 224 pixels, else in proportion.

    Patches are those that cut the image into 12 to 16 a side, and below 96 pixels 7 to 10: 14 and 16 pixels at 224, 4
    at 32, where widths are half as large. Fixed numbers of tokens go up to what twelve blocks can take out. Raises
    `UsageError` for a resolution that no such patch divides.
    """
    small = resolution < 96
    sides = _patches_a_side(resolution, 7 if small else 12, 10 if small else 16)
    step = max(1, min(sides) ** 2 // 48)
    removed = integer(step, min(sides) ** 2 // 12, step)
    return TransformerSpace(
        "vit",
        resolution=resolution,
        num_classes=num_classes,
        patch=choice(*(resolution // side for side in sides)),
        depth=integer(4, 12, step=2),
        width=integer(32, 192, step=32) if small else integer(128, 384, step=64),
        head_width=choice(16, 32) if small else choice(32, 64),
        mlp_ratio=choice(2, 3, 4),
        reductions=[
            Reduction("none"),
            Reduction("ltmp", target=choice(0.5, 0.6, 0.7, 0.8, 0.9)),
            Reduction("tome", r=removed),
            Reduction("cropr", r=removed),
            Reduction("evit", keep=choice(0.5, 0.6, 0.7, 0.8, 0.9)),
            Reduction("random", r=removed),
        ],
        constraints={"macs": _scaled(100e6, 2.5e9, resolution)},
    )


def dinov2(resolution: int = 224, num_classes: int = 1000) -> TransformerSpace:
    """DINOv2's ViT-S/14, for weights of that shape, plain and with five ways to reduce tokens, by the MACs that stay.

    Raises `UsageError` for a resolution that is no multiple of 14.
    """
    if resolution % 14:
        raise UsageError(f"{resolution} pixels are no multiple of 14, DINOv2's patches; try --resolution 112 or 224")
    shares = choice(0.45, 0.6, 0.75)
    return TransformerSpace(
        "dinov2",
        resolution=resolution,
        num_classes=num_classes,
        patch=14,
        depth=12,
        width=384,
        head_width=64,
        reductions=[
            Reduction("none"),
            *(Reduction(method, target=shares) for method in ("ltmp", "tome", "cropr", "evit", "random")),
        ],
    )


def detect(resolution: int = 96, num_classes: int = 6) -> DetectorSpace:
    """Detectors on backbones of the twelve families of mobile blocks, with one head: SSDLite's on a feature pyramid.

    Up to 128 pixels levels have strides of 8, 16, 32 and 64, with 5 to 25 M MACs at 96 pixels; above that of 16, 32
    and four more, with the same in proportion to the pixels. Stems always stride, for most of the MACs would be theirs
    otherwise.
    """
    small, pixels = resolution <= 128, (resolution / 96) ** 2
    levels, extras = (3, (64,)) if small else (2, (256, 256, 128, 128))
    return DetectorSpace(
        "detect",
        resolution=resolution,
        num_classes=num_classes,
        stem=choice(16, 24),
        family=choice(*MOBILE_FAMILIES),
        stages=_dense_stages(),
        multiplier=choice(0.25, 0.5, 1, 2, 4),
        detector=DetectorHead.of("ssdlite", stages=levels, extras=extras, fpn=48 if small else 96),
        constraints={"macs": (5e6 * pixels, 25e6 * pixels)},
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
    sides = _patches_a_side(resolution, 8 if small else 14, 16 if small else 32)
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
        reductions=[
            Reduction("none"),
            Reduction("ltmp", target=share, variant="merge"),
            Reduction("tome", r=removed),
            Reduction("cropr", r=removed),
            Reduction("evit", keep=share, fusion="last"),
            Reduction("random", r=removed, fusion="last"),
        ],
        labels=labels,
        constraints={"macs": (4e6 * pixels, 40e6 * pixels)},
    )


def _patches_a_side(resolution: int, fewest: int, most: int) -> list[int]:
    sides = [side for side in range(fewest, most + 1) if resolution % side == 0]
    if not sides:
        raise UsageError(f"no patch divides {resolution} pixels into {fewest} to {most} a side; try 32, 64 or 224")
    return sides


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


def _scaled(low: float, high: float, resolution: int) -> tuple[float, float]:
    pixels = (resolution / 224) ** 2
    return low * pixels, high * pixels


SPACES.add("mobile", Preset("twelve families of mobile blocks, 50 to 600 M MACs at 224 pixels", mobile))
SPACES.add("resnet", Preset("basic, bottleneck and ResNeXt blocks, 0.1 to 2 G MACs at 224 pixels", resnet))
SPACES.add("vit", Preset("vision transformers, plain or with tokens reduced, 0.1 to 2.5 G MACs at 224 pixels", vit))
SPACES.add("dinov2", Preset("DINOv2's ViT-S/14, plain or with tokens reduced, for pretrained weights", dinov2))
SPACES.add("detect", Preset("detectors on mobile blocks, 5 to 25 M MACs at 96 pixels", detect, 96, 6, "scenes"))
SPACES.add(
    "segment", Preset("classes of pixels on mobile blocks, 2 to 12 M MACs at 64 pixels", segment, 64, 7, "scene_masks")
)
SPACES.add(
    "segment_labels",
    Preset(
        "the same, deployed as labels a quarter as high and wide",
        partial(segment, answer="labels"),
        64,
        7,
        "scene_masks",
    ),
)
SPACES.add(
    "vit_segment",
    Preset(
        "classes of pixels by vision transformers, plain or with tokens reduced, 4 to 40 M MACs at 64 pixels",
        vit_segment,
        64,
        7,
        "scene_masks",
    ),
)
SPACES.add(
    "vit_segment_labels",
    Preset("the same, deployed as labels of patches", partial(vit_segment, labels=True), 64, 7, "scene_masks"),
)
