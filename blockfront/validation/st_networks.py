"""Networks in ST's tables of the STM32N6 that neither timm nor torchvision has, by their published layer tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

_Rank = int | None


class _Sum(nn.Module):
    """`body` of the input, and `shortcut` of it added; `before` first makes what both read, `after` ends it."""

    def __init__(
        self,
        body: nn.Module,
        shortcut: nn.Module | None = None,
        *,
        before: nn.Module | None = None,
        after: nn.Module | None = None,
        raw: bool = False,
    ) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()
        self.before, self.after, self.raw = before or nn.Identity(), after or nn.Identity(), raw

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """An image of the block's input channels; `raw`: what is added was not made by `before`."""
        read = self.before(x)
        total: torch.Tensor = self.after(self.body(read) + self.shortcut(x if self.raw else read))
        return total


class _Shuffled(nn.Module):
    """Two halves side by side, their channels shuffled in two groups; `left` None: the first half as it was."""

    def __init__(self, left: nn.Module | None, right: nn.Module) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Halves of the channels each for themselves, or all of them for both."""
        first, second = x.chunk(2, 1) if self.left is None else (self.left(x), x)
        joined = torch.cat((first, self.right(second)), 1)
        batch, channels, *size = joined.shape
        return joined.view(batch, 2, channels // 2, *size).transpose(1, 2).reshape(joined.shape)


def _conv(
    in_chs: int, out_chs: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    layers = [
        nn.Conv2d(in_chs, out_chs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_chs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


def _head(in_chs: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_chs, 1000)]


def _mobilenet(width: float, stages: Sequence[Sequence[int]], first_stride: int) -> nn.Sequential:
    """Depthwise separable convolutions; every stage but the first halves the image, that one by its own stride."""
    layers: list[nn.Module] = [_conv(3, chs := int(32 * width), 3, 2)]
    for number, stage in enumerate(stages):
        for place, out_chs in enumerate(int(width * chs_out) for chs_out in stage):
            stride = 1 if place else 2 if number else first_stride
            layers += [_conv(chs, chs, 3, stride, groups=chs), _conv(chs, out_chs)]
            chs = out_chs
    return nn.Sequential(*layers, *_head(chs))


mobilenet = partial(_mobilenet, stages=[[64], [128] * 2, [256] * 2, [512] * 6, [1024] * 2], first_stride=1)
"""MobileNet (Howard et al. 2017) of a width. The variant that ST's tables call b lacks activations after depthwise
layers, which changes no layer."""
fdmobilenet = partial(_mobilenet, stages=[[64], [128] * 2, [256] * 2, [512] * 5 + [1024]], first_stride=2)
"""FD-MobileNet (Qin et al. 2018) of a width."""


def _inverted(in_chs: int, mid_chs: int, out_chs: int, kernel: int, stride: int, expand: bool) -> nn.Sequential:
    first = [_conv(in_chs, mid_chs)] if expand else []
    depthwise = _conv(mid_chs, mid_chs, kernel, stride, groups=mid_chs)
    return nn.Sequential(*first, depthwise, _conv(mid_chs, out_chs, relu=False))


def mobilenetv2(width: float, first_expands: bool) -> nn.Sequential:
    """MobileNetV2 whose widths are cut to whole numbers, not rounded to eight; with or without a 1 × 1 convolution
    before the first depthwise one (without: the variant called b)."""
    layers: list[nn.Module] = [_conv(3, chs := int(32 * width), 3, 2)]
    for out, repeats, first_stride in (
        (16, 1, 1),
        (24, 2, 2),
        (32, 3, 2),
        (64, 4, 2),
        (96, 3, 1),
        (160, 3, 2),
        (320, 1, 1),
    ):
        for place in range(repeats):
            stride, out_chs, factor = 1 if place else first_stride, int(out * width), 1 if out == 16 else 6
            block = _inverted(chs, factor * chs, out_chs, 3, stride, factor > 1 or first_expands)
            layers.append(_Sum(block) if stride == 1 and chs == out_chs else block)
            chs = out_chs
    last = int(1280 * max(width, 1.0))
    return nn.Sequential(*layers, _conv(chs, last), *_head(last))


def proxyless_mobile() -> nn.Sequential:
    """ProxylessNAS (Mobile; Cai et al. 2019): output channels, then window and expansion of each block there is."""
    layers: list[nn.Module] = [_conv(3, 32, 3, 2), _inverted(32, 32, 16, 3, 1, False)]
    chs = 16
    for out_chs, first_stride, blocks in (
        (32, 2, ((5, 3), (3, 3))),
        (40, 2, ((7, 3), (3, 3), (5, 3), (5, 3))),
        (80, 2, ((7, 6), (5, 3), (5, 3), (5, 3))),
        (96, 1, ((5, 6), (5, 3), (5, 3), (5, 3))),
        (192, 2, ((7, 6), (7, 6), (7, 3), (7, 3))),
        (320, 1, ((7, 6),)),
    ):
        for place, (kernel, factor) in enumerate(blocks):
            block = _inverted(chs, factor * chs, out_chs, kernel, 1 if place else first_stride, True)
            layers.append(_Sum(block) if place else block)
            chs = out_chs
    return nn.Sequential(*layers, _conv(chs, 1280), *_head(1280))


def shufflenetv2b(width: int) -> nn.Sequential:
    """ShuffleNetV2 of the form called b, with `width` channels in its first stage: where images are halved, the first
    branch keeps its channels."""
    layers: list[nn.Module] = [_conv(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
    chs = 24
    for out_chs, repeats in ((width, 4), (2 * width, 8), (4 * width, 4)):
        mid_chs = out_chs // 2
        depthwise = partial(_conv, kernel=3, relu=False)
        left = nn.Sequential(depthwise(chs, chs, stride=2, groups=chs), _conv(chs, chs))
        halved = depthwise(mid_chs, mid_chs, stride=2, groups=mid_chs)
        right = nn.Sequential(_conv(chs, mid_chs), halved, _conv(mid_chs, out_chs - chs))
        layers.append(_Shuffled(left, right))
        for _ in range(repeats - 1):
            within = depthwise(mid_chs, mid_chs, groups=mid_chs)
            layers.append(_Shuffled(None, nn.Sequential(_conv(mid_chs, mid_chs), within, _conv(mid_chs, mid_chs))))
        chs = out_chs
    return nn.Sequential(*layers, _conv(chs, 1024), *_head(1024))


_QUARTER = ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (512, 1))
"""Channels and stride of each block."""


def preresnet18_quarter() -> nn.Sequential:
    """A quarter of the width of ResNet-18 in its second form (He et al. 2016), but for the last block: 512 channels."""
    layers: list[nn.Module] = [_conv(3, 16, 7, 2), nn.MaxPool2d(3, 2, 1)]
    chs = 16
    for out_chs, stride in _QUARTER:
        first = _conv(chs, out_chs, 3, stride)
        body = nn.Sequential(*first, nn.Conv2d(out_chs, out_chs, 3, 1, 1, bias=False))
        same = chs == out_chs and stride == 1
        shortcut = None if same else nn.Conv2d(chs, out_chs, 1, stride, bias=False)
        layers.append(_Sum(body, shortcut, before=nn.Sequential(nn.BatchNorm2d(chs), nn.ReLU()), raw=same))
        chs = out_chs
    return nn.Sequential(*layers, nn.BatchNorm2d(chs), nn.ReLU(), *_head(chs))


def resnet18_quarter() -> nn.Sequential:
    """A quarter of the width of ResNet-18, but for the last block: 512 channels."""
    layers: list[nn.Module] = [_conv(3, 16, 7, 2), nn.MaxPool2d(3, 2, 1)]
    chs = 16
    for out_chs, stride in _QUARTER:
        body = nn.Sequential(_conv(chs, out_chs, 3, stride), _conv(out_chs, out_chs, 3, relu=False))
        shortcut = None if chs == out_chs and stride == 1 else _conv(chs, out_chs, 1, stride, relu=False)
        layers.append(_Sum(body, shortcut, after=nn.ReLU()))
        chs = out_chs
    return nn.Sequential(*layers, *_head(chs))


def _factors(in_chs: int, out_chs: int, kernel: int, stride: int, rank: _Rank) -> nn.Sequential:
    """A convolution, or as three: to `rank` channels, the window, from them; a batch norm."""
    plain = partial(nn.Conv2d, bias=False)
    if rank is None:
        layers = [plain(in_chs, out_chs, kernel, stride, kernel // 2)]
    else:
        layers = [plain(in_chs, rank, 1), plain(rank, rank, kernel, stride, kernel // 2), plain(rank, out_chs, 1)]
    return nn.Sequential(*layers, nn.BatchNorm2d(out_chs))


def _st_resnet(
    stem: int, project: bool, ranks: Sequence[tuple[_Rank, _Rank]], shortcuts: Sequence[_Rank]
) -> nn.Sequential:
    """ResNet-18 with factorised convolutions: ranks of each block's two, and of the three shortcuts."""
    wide = 32 if project else 64
    first = [
        nn.Conv2d(3, 3, 1, bias=False),
        nn.Conv2d(3, stem, 7, 2, 3, bias=False),
        nn.Conv2d(stem, wide, 1, bias=False),
    ]
    layers: list[nn.Module] = [*first, nn.BatchNorm2d(wide), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    layers += [nn.Conv2d(wide, 64, 1, bias=False)] if project else []
    chs = 64
    for place, (one, two) in enumerate(ranks):
        halves = place in (2, 4, 6)
        out_chs, stride = (2 * chs, 2) if halves else (chs, 1)
        body = nn.Sequential(_factors(chs, out_chs, 3, stride, one), nn.ReLU(), _factors(out_chs, out_chs, 3, 1, two))
        shortcut = _factors(chs, out_chs, 1, 2, shortcuts[place // 2 - 1]) if halves else None
        layers.append(_Sum(body, shortcut, after=nn.ReLU()))
        chs = out_chs
    return nn.Sequential(*layers, *_head(chs))


_FULL = (None, None)
ST_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{f"mobilenet_{w:03.0f}": partial(mobilenet, w / 100) for w in (25, 50, 75)},
    **{f"fdmobilenet_{w:03.0f}": partial(fdmobilenet, w / 100) for w in (25, 50, 75)},
    **{f"mobilenetv2_cut_{w:03.0f}": partial(mobilenetv2, w / 100, True) for w in (25, 75)},
    **{f"mobilenetv2b_cut_{w:03.0f}": partial(mobilenetv2, w / 100, False) for w in (25, 50, 75)},
    "shufflenetv2b_050": partial(shufflenetv2b, 48),
    "shufflenetv2b_100": partial(shufflenetv2b, 116),
    "proxyless_mobile": proxyless_mobile,
    "preresnet18_quarter": preresnet18_quarter,
    "resnet18_quarter": resnet18_quarter,
    "st_resnet_pico": partial(
        _st_resnet, 8, True, [(24, 16), (24, 8), (24, 8), (8, 8), (8, 8), (8, 8), (8, 8), (8, 8)], [8, 8, 8]
    ),
    "st_resnet_nano": partial(
        _st_resnet,
        *(8, True),
        [(None, 32), (None, 40), (None, 32), (64, 16), (48, 16), (48, 8), (32, 8), (48, 8)],
        [None, 8, 8],
    ),
    "st_resnet_micro": partial(
        _st_resnet,
        *(8, True),
        [_FULL, _FULL, (None, 40), (88, 32), (88, 72), (80, 32), (80, 8), (72, 64)],
        [None, 16, 24],
    ),
    "st_resnet_milli": partial(
        _st_resnet,
        *(16, True),
        [_FULL, _FULL, (None, 96), (None, 72), (None, 120), (168, 72), (160, 72), (168, 96)],
        [None, None, 48],
    ),
    "st_resnet_tiny": partial(
        _st_resnet,
        *(16, False),
        [_FULL, _FULL, (None, 96), (None, 80), (None, 192), (None, 96), (208, 88), (192, 112)],
        [None, None, None],
    ),
}
"""By the names that `npu_networks.py` gives them. Layer tables: `pytorchcv` 0.0.74 (MIT) for all but ST's own ResNets,
which stm32ai-modelzoo-services describes; which published name is which is said there too."""
