from __future__ import annotations

import pytest
import torch
from torch import nn

from blockfront.blocks import BLOCKS
from blockfront.errors import UsageError
from blockfront.testing import check_block

pytestmark = pytest.mark.compiles

ALL_WIDTHS = [(a, b) for a in (8, 16, 24, 40, 112) for b in (8, 16, 24, 40, 112)]
OTHER_OPTIONS = [
    ("ir", {"expansion": 1.0}),
    ("ir", {"kernel": 5, "se": 0.25}),
    ("er", {"se": 0.25}),
    ("uir", {"variant": "ib"}),
    ("uir", {"variant": "convnext", "kernel": 5}),
    ("uir", {"variant": "ffn"}),
    ("ghost", {"se": 0.25, "kernel": 5}),
    ("shufflenet_v1", {"groups": 1}),
    ("shufflenet_v1", {"groups": 8}),
    ("mixconv", {"kernel": 9, "se": 0.5}),
    ("rep", {"branches": 4, "kernel": 5}),
    ("resnext", {"group_size": 32}),
]


class Separable(nn.Module):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_chs, in_chs, kernel, stride, kernel // 2, groups=in_chs)
        self.pointwise = nn.Conv2d(in_chs, out_chs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x)).relu()


class ForgetsItsStride(Separable):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
        super().__init__(in_chs, out_chs, 1)


class LeavesAParameterOut(Separable):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
        super().__init__(in_chs, out_chs, stride)
        self.unused = nn.Parameter(torch.ones(3))


class MultipliesByZero(Separable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(0 * self.depthwise(x))


class CutsTheGradient(Separable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.detach())


class IsNoisyInEvaluation(Separable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x + 0.1 * torch.randn_like(x))


class MixesTheBatch(Separable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - x.mean(dim=0, keepdim=True))


class ChangesItsInput(Separable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.relu_())


class CountsItsCalls(Separable):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
        super().__init__(in_chs, out_chs, stride)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x)


class FusesWrongly(nn.Sequential):
    """A parent is needed, since timm re-parameterises children."""

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.fused = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.scale * (2 if self.fused else 1)

        def reparameterize(self) -> None:
            self.fused = True

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
        super().__init__(Separable(in_chs, out_chs, stride), self.Scale())


class BranchesOnData(Separable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if x.sum() > -1e9 else -x)


class DividesByZero(Separable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + (x * 0).sqrt().sum()


@pytest.mark.parametrize("name", list(BLOCKS))
def test_every_registered_block_conforms(name: str) -> None:
    check_block(name)


@pytest.mark.parametrize(("name", "options"), OTHER_OPTIONS)
def test_other_options_conform(name: str, options: dict[str, bool | int | float | str]) -> None:
    check_block(name, resolution=8, options=options)


@pytest.mark.parametrize("name", list(BLOCKS))
@pytest.mark.parametrize("stride", [1, 2])
def test_every_block_takes_all_multiples_of_eight(name: str, stride: int) -> None:
    for in_chs, out_chs in ALL_WIDTHS:
        module = BLOCKS[name].cls(in_chs, out_chs, stride).eval()
        assert module(torch.zeros(1, in_chs, 8, 8)).shape == (1, out_chs, 8 // stride, 8 // stride)


def test_a_users_block_conforms_without_being_registered() -> None:
    check_block(Separable)
    check_block(Separable, in_chs=8, out_chs=8, resolution=12, options={"kernel": 5})


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (ForgetsItsStride, r"stride 2 gives \(4, 24, 16, 16\) instead of \(4, 24, 8, 8\)"),
        (LeavesAParameterOut, "no gradient reaches unused"),
        (MultipliesByZero, "gradient of its input is zero everywhere"),
        (CutsTheGradient, "no gradient reaches its input"),
        (IsNoisyInEvaluation, "another output for the same input"),
        (MixesTheBatch, "treats an image differently in a batch"),
        (ChangesItsInput, "changes its input in place"),
        (CountsItsCalls, "changes calls in evaluation mode"),
        (FusesWrongly, "changes when re-parameterised"),
        (BranchesOnData, "cannot be exported by torch.export"),
        (DividesByZero, "gradient of its input is not finite"),
    ],
)
def test_a_broken_block_is_refused_with_the_reason(broken: type[nn.Module], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_block(broken)


def test_a_block_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"TypeError: .*unexpected keyword argument 'dilation'"):
        check_block(Separable, options={"dilation": 2})


def test_an_unknown_name_suggests_a_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean ghost"):
        check_block("gohst")


def test_checking_leaves_torchs_random_state_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    check_block("ds", resolution=8)
    assert torch.equal(before, torch.get_rng_state())
