"""A model of few rates: its arithmetic by hand, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets import HARDWARE, Asked, FittedNpu, choose
from blockfront.targets.latency.accelerators.fitted import fitted_parts
from blockfront.targets.latency.accelerators.workload import make_workload

NPU = FittedNpu(
    "plain",
    "an NPU of whole numbers",
    clock_ghz=1.0,
    macs_per_cycle=100,
    memory_gbs=8.0,
    weights_gbs=0.5,
    grouped_gbs=2.0,
    moves_gbs=4.0,
    processor_ns=10.0,
)


def parts(module, resolution, channels):
    found = fitted_parts(make_workload(module.eval(), Signature.image(resolution, resolution, channels)), NPU)
    return [(part.rule, round(part.ms * 1e6)) for part in found]


@pytest.mark.parametrize(
    ("layer", "resolution", "rule", "nanoseconds"),
    [
        # 16 · 8 bytes at half a byte a nanosecond, and 16 · 8 multiply-adds at a hundred.
        (nn.Conv2d(8, 16, 1), 1, "weights", 256),
        # 16 · 8 · 20 · 20 multiply-adds.
        (nn.Conv2d(8, 16, 1), 20, "array", 512),
        # 8 · 20 · 20 · 9 multiply-adds take 288, and 2 · 8 · 20 · 20 bytes take 3200.
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), 20, "grouped", 288 + 3200),
        # Windows of 5 × 5 are two parts, of 7 × 7 three times two, or three with a stride: 20 · 20 and 10 · 10 outputs.
        (nn.Conv2d(8, 8, 5, padding=2, groups=8), 20, "grouped", 800 + 2 * 3200),
        (nn.Conv2d(8, 8, 7, padding=3, groups=8), 20, "grouped", 1568 + 6 * 3200),
        (nn.Conv2d(8, 8, 7, padding=3, stride=2, groups=8), 20, "grouped", 392 + 3 * 2000),
    ],
)
def test_a_layer_takes_the_longer_of_its_weights_and_its_work(layer, resolution, rule, nanoseconds):
    assert parts(layer, resolution, 8) == [(rule, nanoseconds)]


class Shuffle(nn.Module):
    def forward(self, x):
        batch, channels, *size = x.shape
        return x.view(batch, 2, channels // 2, *size).transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize(
    ("operator", "resolution", "channels", "part"),
    [
        (nn.AdaptiveAvgPool2d(1), 8, 16, ("moves", (16 * 64 + 16) // 4)),
        (nn.AdaptiveAvgPool2d(1), 9, 16, ("processor", 16 * 81 * 10)),
        (Shuffle(), 4, 16, ("moves", 2 * 256 // 4)),
        (Shuffle(), 4, 20, ("processor", 320 * 10)),
    ],
)
def test_large_means_and_shuffles_of_odd_channels_are_the_processors(operator, resolution, channels, part):
    layer = nn.Conv2d(channels, channels, 1)
    assert part in parts(nn.Sequential(layer, operator), resolution, channels)


@pytest.mark.parametrize(
    ("module", "lacks"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.GELU()), "gelu"),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softmax(1)), "softmax"),
    ],
)
def test_operators_that_nothing_was_published_of_are_refused_by_name(module, lacks):
    with pytest.raises(RunError, match=f"plain knows no cost of {lacks}: ST's NPU leaves that to its processor"):
        parts(module, 4, 3)


def test_a_row_says_who_made_it_and_what_its_kernels_sum_up_to():
    means = choose(Asked(HARDWARE["stm32n6_like"]))
    module = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8)).eval()
    with torch.no_grad():
        latency = means.latency(means.prepare(module, Signature.image(16), 0))
    assert (latency.toolchain, latency.runner, latency.source, latency.precision) == (
        "layers",
        "fitted",
        "simulated",
        "int8",
    )
    assert sum(kernel.ms for kernel in latency.kernels) == pytest.approx(latency.median_ms)
    assert latency.coverage.fused == {"relu": 1}
