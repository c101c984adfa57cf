import pytest
import torch
import tvm
from torch import nn
from tvm import relax

from blockfront.signature import Signature
from blockfront.targets import get_target
from blockfront.targets.compiler.approximations import LEGALIZATIONS
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.importing import Importer
from blockfront.targets.compiler.kernels import kernel_functions
from blockfront.targets.compiler.legalizing import remembered
from blockfront.targets.compiler.lowering import rules


class Slices(nn.Module):
    """Operators that differ in nothing but where they begin, by which factor or in which order."""

    def forward(self, x):
        y = x[:, :, :8] + x[:, :, 4:] * 2.0
        z = torch.cat([y * 3.0, y], 3) + torch.cat([y, y.relu()], 3)
        return nn.functional.pad(z, (0, 1)) + nn.functional.pad(z, (1, 0))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(12, 36)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(q, k, v)


MODULES = {
    "slices": Slices(),
    "attention": Attention(),
    "convolutions": nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.GELU(), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Conv2d(8, 8, 3, 1, 1, groups=4)
    ),
    "pooling": nn.Sequential(
        nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    ),
}


def legalized(module, rules):
    with get_target("host").compiler():
        return Importer(rules).module(export_module(module, Signature.image(12)))


@pytest.mark.parametrize("name", MODULES)
def test_remembered_kernels_are_those_tvm_describes_anew(name):
    expected = relax.transform.LegalizeOps(LEGALIZATIONS)(legalized(MODULES[name], {}))
    for _ in range(2):
        tvm.ir.assert_structural_equal(legalized(MODULES[name], remembered()), expected)


def test_networks_share_the_kernels_of_operators_they_have_in_common():
    torch.manual_seed(0)
    narrow, wide = (nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, width, 1)) for width in (8, 16))
    first, second = (list(kernel_functions(legalized(m, remembered())).values()) for m in (narrow, wide))
    assert sum(any(a.same_as(b) for b in second) for a in first) >= 3  # layout, convolution and relu of the stem


def test_winograds_kernels_are_remembered_with_their_tile():
    board = get_target("rk3399")
    module = nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 64, 3, 1, 1), nn.Conv2d(64, 96, 3, 1, 1))
    trace = export_module(module, Signature.image(12))
    once, twice = (kernel_functions(Importer(rules(board, 1)).module(trace)) for _ in range(2))
    assert any("winograd" in name for name in once)
    assert all(function.same_as(twice[name]) for name, function in once.items())
