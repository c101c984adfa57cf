"""A quantised network that is kept is the same one again, to the last bit."""

from __future__ import annotations

import msgspec
import pytest
import torch
from torch import nn

from blockfront.blocks import BLOCKS, deploy
from blockfront.errors import UsageError
from blockfront.signature import Signature
from blockfront.targets.compiler.randomize import randomize_constants
from blockfront.targets.quantization import IntegerForm, integer_form, quantizer_tensors, restored_quantizer
from blockfront.targets.quantization.quantizing import Quantizer, calibrated

SIGNATURE = Signature.image(32)
IMAGES = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
FAMILIES = [name for name, block in BLOCKS.items() if block.cls.__module__.startswith("blockfront.blocks")]


class Scaled(nn.Module):
    """A network whose learned number becomes a part of its operators, and no constant."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 1)
        self.scale = nn.Parameter(torch.tensor([0.3712]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.scale * torch.sigmoid(self.first(x))).mean((2, 3))


def network_of(family: str) -> nn.Module:
    torch.manual_seed(0)
    block = BLOCKS[family].cls
    body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), block(16, 24, 2), block(24, 24, 1))
    module = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))
    randomize_constants(module, 0, (IMAGES,))
    return deploy(module)


def again(quantizer: Quantizer, module: nn.Module) -> Quantizer:
    """Through what is written to files."""
    form = msgspec.json.decode(msgspec.json.encode(integer_form(quantizer)), type=IntegerForm)
    return restored_quantizer(module, SIGNATURE, form, quantizer_tensors(quantizer))


def check_same(quantizer: Quantizer, other: Quantizer) -> None:
    with torch.no_grad():
        assert torch.equal(quantizer.network()(IMAGES), other.network()(IMAGES))
    assert quantizer.network().float_operators == other.network().float_operators


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_same_bits(family):
    module = network_of(family)
    quantizer = calibrated(module, SIGNATURE, [(IMAGES,)])
    check_same(quantizer, again(quantizer, module))


def test_a_learned_number_among_the_operators_is_the_modules():
    module = Scaled().eval()
    quantizer = calibrated(module, SIGNATURE, [(IMAGES,)])
    check_same(quantizer, again(quantizer, module))


def test_layers_that_stay_float32_do():
    module = network_of("ir")
    worst = calibrated(module, SIGNATURE, [(IMAGES,)]).noise(IMAGES)[0].name
    quantizer = calibrated(module, SIGNATURE, [(IMAGES,)], floats=(worst,))
    assert "conv2d.default" in quantizer.network().float_operators
    check_same(quantizer, again(quantizer, module))


def test_what_training_found_of_rounded_weights_is_what_is_kept():
    """Not what the module has, which it was trained from."""
    module = network_of("ir")
    quantizer = calibrated(module, SIGNATURE, [(IMAGES,)])
    rounded = quantizer.rounded()
    optimizer = torch.optim.SGD(rounded.parameters(), lr=0.05)
    rounded(IMAGES).square().mean().backward()
    optimizer.step()
    tuned = quantizer.with_constants(rounded.constants)
    check_same(tuned, again(tuned, module))
    with torch.no_grad():
        assert not torch.equal(tuned.network()(IMAGES), quantizer.network()(IMAGES))


def test_another_network_is_refused():
    quantizer = calibrated(network_of("ir"), SIGNATURE, [(IMAGES,)])
    with pytest.raises(UsageError, match="made of other operators"):
        again(quantizer, network_of("ds"))
