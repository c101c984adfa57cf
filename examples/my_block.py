"""A block of one's own, and a space that compares it with MobileNetV2's."""

from torch import nn

from blockfront.blocks import register_block
from blockfront.design_space import DesignSpace, Stage, choice, integer


@register_block("my_block", title="pointwise, then depthwise")
class MyBlock(nn.Sequential):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(in_chs, out_chs, 1, bias=False),
            nn.BatchNorm2d(out_chs),
            nn.ReLU(),
            nn.Conv2d(out_chs, out_chs, kernel, stride, kernel // 2, groups=out_chs, bias=False),
            nn.BatchNorm2d(out_chs),
        )


space = DesignSpace(
    "mine",
    resolution=32,
    num_classes=10,
    stem=16,
    stem_stride=1,
    family=choice("my_block", "ir"),
    stages=[
        Stage(depth=integer(1, 3), width=integer(16, 48, step=8), stride=2, kernel=choice(3, 5)),
        Stage(depth=integer(1, 3), width=integer(48, 96, step=16), stride=2, kernel=choice(3, 5)),
    ],
    constraints={"macs": (5e5, 2e7)},
)
