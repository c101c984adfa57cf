"""Adds a block, a data set, a design space, a board, a toolchain and a meter to those of blockfront."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from blockfront.blocks import register_block
from blockfront.design_space import SPACES, DesignSpace, Preset, Stage, choice, integer
from blockfront.results import Latency
from blockfront.targets import HARDWARE, METERS, TOOLCHAINS, Predicts, RunOptions, Toolchain
from blockfront.targets.hardware.catalogue.cores import CORTEX_A53, FROM_MEMORY, KIB
from blockfront.training import DATASETS, Dataset, Source, Tensors


@register_block("wavy", title="a convolution whose activation is a sine")
class Wavy(nn.Module):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chs, out_chs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_chs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.norm(self.conv(x)))


def _open(dataset: Dataset) -> tuple[Tensors, Tensors]:
    """Waves from left to right and from top to bottom."""
    wave = torch.sin(torch.arange(16.0)).expand(3, 16, 16) / 2 + 0.5
    images = torch.stack([wave, wave.mT] * 16)
    labels = torch.tensor([0, 1] * 16)
    return Tensors(images, labels), Tensors(images[:8], labels[:8])


def _space(resolution: int, num_classes: int) -> DesignSpace:
    return DesignSpace(
        "wavy_small",
        resolution=resolution,
        num_classes=num_classes,
        stem=8,
        family=choice("wavy", "ir"),
        stages=[Stage(depth=integer(1, 2), width=integer(8, 32, step=8), stride=2)],
    )


DATASETS.add("waves", Source("waves", "Waves in two directions", "computed", _open, num_classes=2, resolution=16))
SPACES.add("wavy_small", Preset("Wavy blocks beside MobileNetV2's", _space))
HARDWARE.add(
    "wavy_board",
    CORTEX_A53.target(
        "wavy_board",
        "a board with waves on it",
        cores=2,
        clock_ghz=1.0,
        l2_bytes=256 * KIB,
        bandwidth_gbs=1.0,
        sources={"cores, clock_ghz, bandwidth_gbs": "made up", "l2_bytes": FROM_MEMORY},
    ),
)


@dataclass(frozen=True)
class Weighed:
    """A network of which nothing is known but how many weights it has."""

    weights: int


class Scales(Toolchain[Weighed, RunOptions]):
    name, title, makes, precisions = "scales", "weighs networks, and compiles nothing", Weighed, ("float32",)

    def accepts(self, hardware):
        return hardware.name == "wavy_board"

    def choose(self, asked, precision):
        return RunOptions(asked.hardware, asked.hardware.check_threads(asked.threads), toolchain=self.name)

    def prepare(self, module, signature, options, seed):
        return Weighed(sum(weights.numel() for weights in module.parameters()))

    def versions(self):
        return {}


class Guess(Predicts[Weighed, RunOptions]):
    name, title, predictor = "guess", "predicted: ten nanoseconds a weight", "guess"

    def accepts(self, toolchain, hardware):
        return toolchain.makes is Weighed

    def prediction(self, options):
        return None

    def how(self, options):
        return "from their weights"

    def predict(self, prepared, options):
        return Latency(
            source=self.source,
            runner=self.name,
            toolchain=options.toolchain,
            target=options.target.name,
            device="none",
            threads=options.threads,
            median_ms=1e-5 * prepared.weights,
            predictor=self.predictor,
        )


TOOLCHAINS.add("scales", Scales())
METERS.add("guess", Guess())
