"""What the agreement of pretrained networks in int8 with float32 is counted from."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from blockfront.signature import Signature
from blockfront.targets.quantization import quantize_module


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import pretrained_int8

    return pretrained_int8


def test_each_half_is_judged_by_ranges_of_the_other(study):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 9)).eval()
    images = torch.randn(5, 3, 8, 8) * torch.tensor([1.0, 50, 2, 60, 3]).reshape(-1, 1, 1, 1)
    found = study.compare_halves(module, images, "minmax")
    for half in (0, 1):
        network = quantize_module(module, Signature.image(8), [(images[1 - half :: 2],)], "minmax")
        with torch.no_grad():
            assert torch.equal(found.quantized[half::2], network(images[half::2]))
    with torch.no_grad():
        assert torch.allclose(found.plain, module(images), atol=1e-4)


def test_photographs_count_where_both_say_the_same(study):
    plain = torch.eye(7)[[0, 1, 2]] * 4 + torch.arange(7) / 10
    changed = plain.clone()
    changed[1, 6], changed[2, 0] = 9, 9
    found = study.Agreement(plain, changed)
    assert (found.differing, found.within_five) == ([1, 2], 2)
    power = float(plain.square().sum() / (plain - changed).square().sum())
    assert found.snr_db == pytest.approx(10 * math.log10(power))


def test_every_photograph_is_named_once(study):
    assert len(set(study.PHOTOGRAPHS)) == len(study.PHOTOGRAPHS)
