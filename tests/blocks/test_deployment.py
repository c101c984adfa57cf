"""What runs of modules that say how their branches are fused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from blockfront.blocks.deployment import deploy


class Branches(nn.Module):
    """Two convolutions side by side, which the classes below fuse into one, each in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x) if self.b is None else self.a(x) + self.b(x)

    def sum(self) -> nn.Conv2d:
        both = copy.deepcopy(self.a)
        both.weight.data += self.b.weight.data
        both.bias.data += self.b.bias.data
        return both


class GivesAnother(Branches):
    def fuse(self) -> nn.Conv2d:
        return self.sum()


class GivesItself(Branches):
    def fuse(self) -> GivesItself:
        self.a, self.b = self.sum(), None
        return self


class Reparameterizes(Branches):
    def reparameterize(self) -> None:
        self.a, self.b = self.sum(), None


class SwitchesToDeploy(Branches):
    def switch_to_deploy(self) -> None:
        self.a, self.b = self.sum(), None


class TakesItsLayersAway(Branches):
    """As heads of Ultralytics do, whose other heads go on."""

    def fuse(self) -> None:
        self.a = self.b = None


class Raises(Branches):
    def reparameterize(self) -> None:
        self.a = None
        raise RuntimeError("train me first")


class WantsMore(Branches):
    def fuse(self, other: nn.Module) -> nn.Module:
        return other


class HasAFlag(Branches):
    fuse = True


def convolutions(module: nn.Module) -> int:
    return sum(isinstance(part, nn.Conv2d) for part in module.modules())


@pytest.mark.parametrize("kind", [GivesAnother, GivesItself, Reparameterizes, SwitchesToDeploy])
def test_a_users_module_is_fused_as_it_says_and_left_as_it_is(kind: type[Branches]) -> None:
    alone, images = kind().eval(), torch.rand(1, 3, 5, 5)
    for module in (alone, nn.Sequential(alone, nn.ReLU())):
        deployed = deploy(module)
        torch.testing.assert_close(deployed(images), module(images), rtol=1e-5, atol=1e-6)
        assert (convolutions(deployed), convolutions(module)) == (1, 2)


@pytest.mark.parametrize("kind", [TakesItsLayersAway, Raises, WantsMore, HasAFlag])
def test_a_users_module_whose_method_means_something_else_runs_as_it_is(kind: type[Branches]) -> None:
    module, images = nn.Sequential(kind()).eval(), torch.rand(1, 3, 5, 5)
    deployed = deploy(module)
    assert torch.equal(deployed(images), module(images))
    assert convolutions(deployed) == 2


def test_a_module_in_two_places_stays_one() -> None:
    shared = GivesItself()
    deployed = deploy(nn.Sequential(shared, nn.Conv2d(4, 3, 1), shared))
    assert deployed[0] is deployed[2]
    assert deployed(torch.rand(1, 3, 5, 5)).shape == (1, 4, 5, 5)


def test_a_module_within_one_that_is_fused_is_fused_too() -> None:
    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches, self.conv, self.norm = GivesAnother(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.conv(self.branches(x)))

        def fuse(self) -> Normalised:
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()
            return self

    module, images = Normalised().eval(), torch.rand(1, 3, 5, 5)
    deployed = deploy(module)
    torch.testing.assert_close(deployed(images), module(images), rtol=1e-4, atol=1e-5)
    assert convolutions(deployed) == 2
    assert not any(isinstance(part, nn.BatchNorm2d) for part in deployed.modules())
