"""Design spaces by name. The ranges are this suite's choices, not those of a paper."""

from __future__ import annotations

from functools import partial

from blockfront.design_space.cnn_space import DesignSpace
from blockfront.design_space.dense_presets import detect, detect_320, segment, vit_detect, vit_segment
from blockfront.design_space.dimension import Dimension, choice, integer
from blockfront.design_space.preset import MOBILE_FAMILIES, RESNET_FAMILIES, Preset, patches_a_side
from blockfront.design_space.reduction import Reduction
from blockfront.design_space.stage import Stage
from blockfront.design_space.vit_space import TransformerSpace
from blockfront.errors import UsageError
from blockfront.registry import Registry

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
    sides = patches_a_side(resolution, 7 if small else 12, 10 if small else 16)
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


def _scaled(low: float, high: float, resolution: int) -> tuple[float, float]:
    pixels = (resolution / 224) ** 2
    return low * pixels, high * pixels


SPACES.add("mobile", Preset("twelve families of mobile blocks, 50 to 600 M MACs at 224 pixels", mobile))
SPACES.add("resnet", Preset("basic, bottleneck and ResNeXt blocks, 0.1 to 2 G MACs at 224 pixels", resnet))
SPACES.add("vit", Preset("vision transformers, plain or with tokens reduced, 0.1 to 2.5 G MACs at 224 pixels", vit))
SPACES.add("dinov2", Preset("DINOv2's ViT-S/14, plain or with tokens reduced, for pretrained weights", dinov2))
SPACES.add("detect", Preset("detectors on mobile blocks, 5 to 25 M MACs at 96 pixels", detect, 96, 6, "scenes"))
SPACES.add(
    "detect_320",
    Preset("detectors of COCO's shape with SSDLite's head, 150 to 900 M MACs at 320 pixels", detect_320, 320, 80),
)
SPACES.add(
    "instances",
    Preset("the same, with masks", partial(detect, prototypes=16), 96, 6, "scene_instances"),
)
SPACES.add(
    "vit_detect",
    Preset(
        "detectors of vision transformers, plain or with tokens reduced, 8 to 60 M MACs at 96 pixels",
        vit_detect,
        96,
        6,
        "scenes",
    ),
)
SPACES.add(
    "vit_instances",
    Preset("the same, with masks", partial(vit_detect, prototypes=16), 96, 6, "scene_instances"),
)
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
