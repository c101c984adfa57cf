"""Operators against torch, through the whole compiler: `compile_model` refuses an output that differs."""

import pytest
import torch
from torch import nn

from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target

pytestmark = pytest.mark.compiles


class BiasedAttention(nn.Module):
    """A bias for each head, which the images share, and tokens that fill no vector."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(3, 36, 36))

    def forward(self, x):
        tokens = x.flatten(2).unflatten(2, (36, 4))
        return nn.functional.scaled_dot_product_attention(tokens, tokens * 0.5, tokens + 1, attn_mask=self.bias)


class InPlace(nn.Module):
    def forward(self, x):
        y = x + 3
        y.div_(2).mul_(x).sub_(1).add_(y)
        return y.sigmoid_()


class Parts(nn.Module):
    """Views and parts of one tensor, joined in another order."""

    def forward(self, x):
        a, b, c = x.unbind(1)
        d, e = x.roll(2, 3).chunk(2, 2)
        return torch.stack([c, a, b], 1)[:, :, :6] * d + e.flip(3)


class Written(nn.Module):
    """Changed in place through a view."""

    def forward(self, x):
        y = x * 2
        y[:, 1:, 2:7] += x[:, :2, :5]
        return y


class Shared(nn.Module):
    """A tensor of fewer dimensions that operators read in two ranks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 1)

    def forward(self, x):
        rows = x.mean((0, 1))
        return (self.conv(x) * rows).flatten(1).mean() + rows @ rows


class Summarised(nn.Module):
    """Numbers that each are made of all there is."""

    def forward(self, x):
        shifted = torch.relu(x + 0.5)
        return x.mean(), shifted.sum(), x.amax(), (x - x.mean()).square().mean(), x.flatten() @ shifted.flatten()


MODULES = {
    "reduced to numbers": Summarised(),
    "operand of two ranks": Shared(),
    "attention with a bias": BiasedAttention(),
    "operators in place": InPlace(),
    "parts": Parts(),
    "changed through a view": Written(),
    "encoder layer": nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(144, 4, 16, batch_first=True)),
    "borders and groups": nn.Sequential(nn.PixelUnshuffle(2), nn.ReflectionPad2d(1), nn.GroupNorm(3, 12)),
}


@pytest.mark.parametrize("name", MODULES)
def test_an_imported_module_computes_what_torch_does(name):
    torch.manual_seed(0)
    assert compile_model(MODULES[name], Signature.image(12), get_target("host"), threads=1).max_rel_error <= 1e-4
