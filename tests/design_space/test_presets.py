from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from blockfront.blocks import BLOCKS, deploy
from blockfront.design_space import Cost, DesignSpace, Network, count_cost, load_space
from blockfront.design_space.preset import MOBILE_FAMILIES, RESNET_FAMILIES
from blockfront.signature import Signature

FAMILIES = [("mobile", family) for family in MOBILE_FAMILIES] + [("resnet", family) for family in RESNET_FAMILIES]


def first_of(space: DesignSpace, family: str) -> Network:
    return next(network for index in range(200) if (network := space.sample(0, index)).family == family)


def counted_by_hooks(module: nn.Module, resolution: int) -> Cost:
    """Independent of the counter under test: FLOPs by torch, activations by hooks on layers."""
    elements = 0

    def add(layer: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal elements
        elements += output.numel()

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 3, resolution, resolution))
    params = sum(parameter.numel() for parameter in module.parameters())
    return Cost(counter.get_total_flops() // 2, params, elements)


def test_every_block_is_in_a_preset() -> None:
    assert {family for _, family in FAMILIES} == set(BLOCKS)


@pytest.mark.parametrize(("preset", "family"), FAMILIES)
def test_costs_of_every_family_are_those_torch_counts(preset: str, family: str) -> None:
    network = first_of(load_space(preset, 32, 10), family)
    assert network.cost == counted_by_hooks(deploy(network.build()), 32)
    assert network.cost == count_cost(network.build(), Signature.image(32))


@pytest.mark.parametrize(("preset", "family"), FAMILIES)
def test_a_network_of_every_family_learns(preset: str, family: str) -> None:
    network = first_of(load_space(preset, 32, 10), family)
    module = network.build().train()
    images, labels = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    logits = module(images)
    loss = nn.functional.cross_entropy(logits, labels)
    assert logits.shape == (16, 10)
    # Ten classes, none preferred at the start: ln 10 = 2.303.
    assert loss.item() == pytest.approx(2.303, abs=0.5)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimizer.step()
    assert nn.functional.cross_entropy(module(images), labels).item() < loss.item() - 0.3


@pytest.mark.parametrize(
    ("preset", "resolution", "low", "high"),
    [
        ("mobile", 224, 50e6, 600e6),
        ("mobile", 32, 1.02e6, 12.25e6),
        ("resnet", 224, 100e6, 2e9),
        ("resnet", 32, 2.04e6, 40.9e6),
    ],
)
def test_macs_follow_the_resolution(preset: str, resolution: int, low: float, high: float) -> None:
    space = load_space(preset, resolution, 10)
    macs = [space.sample(0, index).cost.macs for index in range(10)]
    assert low <= min(macs)
    assert max(macs) <= high


@pytest.mark.parametrize(("resolution", "stride"), [(28, 1), (64, 1), (96, 2), (160, 2)])
def test_the_stem_strides_from_96_pixels_on(resolution: int, stride: int) -> None:
    for preset in ("mobile", "resnet"):
        assert load_space(preset, resolution, 10).sample(0, 0).stem.stride == stride


def test_every_twelve_networks_have_each_mobile_family_once_in_another_order() -> None:
    space = load_space("mobile", 32, 10)
    rounds = [[space.sample(0, 12 * turn + index).family for index in range(12)] for turn in range(4)]
    assert all(sorted(families) == sorted(MOBILE_FAMILIES) for families in rounds)
    assert len({tuple(families) for families in rounds}) == 4


@pytest.mark.parametrize("resolution", [32, 224])
@pytest.mark.parametrize(("preset", "family"), FAMILIES)
def test_a_tenth_of_each_familys_networks_meets_the_constraint(preset: str, family: str, resolution: int) -> None:
    space = load_space(preset, resolution, 10)
    free = replace(space, constraints={})
    networks = [network for index in range(240) if (network := free.sample(0, index)).family == family]
    met = sum(not space.broken(network) for network in networks)
    assert met >= len(networks) / 10
