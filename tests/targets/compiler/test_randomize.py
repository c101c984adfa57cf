"""Nothing constant is left where it could hide a branch, and nothing else is touched."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from blockfront.targets.compiler.randomize import randomize_constants


class Named(nn.Module):
    """Parameters as they are given."""

    def __init__(self, **tensors):
        super().__init__()
        for name, value in tensors.items():
            self.register_parameter(name, nn.Parameter(value, requires_grad=False))


HIDDEN = {
    "a head of zeros": (torch.zeros(10, 300), 0, 0.1),
    "a bias": (torch.zeros(300), 0, 0.2),
    "a token": (torch.zeros(1, 1, 300), 0, 0.2),
    "positions": (torch.zeros(1, 49, 300), 0, 0.1),
    "a table of relative positions": (torch.zeros(169, 3), 0, 0.2),
    "a convolution of zeros": (torch.zeros(8, 4, 3, 3), 0, 0.2),
    "a scale of a layer": (torch.full((300,), 1e-6), 1, 0.2),
    "a scale of pixels": (torch.full((300, 1, 1), 1e-5), 1, 0.2),
    "a residual scale of zero": (torch.zeros(()), 1, 0.2),
    "a gain": (torch.ones(300), 1, 0.2),
    "a temperature": (torch.full((8, 1, 1), 2.3), 2.3, 0.46),
    "a mean of a window": (torch.full((300, 300), 1 / 300), 1 / 300, 0.2 / 300),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_is_constant_becomes_random_within_a_usual_range(kind):
    before, middle, reach = HIDDEN[kind]
    module = Named(x=before.clone())
    randomize_constants(module, 0)
    assert module.x.numel() == 1 or module.x.std() > 0.2 * reach
    assert (module.x - middle).abs().max() <= reach * 1.001
    assert module.x.abs().max() > 0
    again = Named(x=before.clone())
    randomize_constants(again, 0)
    assert torch.equal(module.x, again.x)


@pytest.mark.parametrize(
    "value", [torch.tensor([0.0, 1.0]), torch.zeros(3, dtype=torch.int64), torch.full((3,), -torch.inf)]
)
def test_what_is_not_constant_or_no_number_stays(value):
    module = Named(x=value.clone())
    randomize_constants(module, 0)
    assert torch.equal(module.x, value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: timm.create_model("vit_tiny_patch16_224", depth=1),
        lambda: timm.create_model("mixer_s32_224"),
        lambda: timm.create_model("hiera_tiny_224", stages=(1, 1, 1, 1)),
        lambda: timm.create_model("resnet10t", zero_init_last=True),
        lambda: timm.create_model("convnext_atto", depths=(1, 1, 1, 1)),
        lambda: timm.create_model("cait_xxs24_224", depth=1),
        lambda: torchvision.models.VisionTransformer(32, 16, 1, 2, 32, 64),
        lambda: torchvision.ops.FrozenBatchNorm2d(8),
    ],
    ids=["vit", "mixer", "hiera", "resnet", "convnext", "cait", "torchvision's vit", "frozen batch norm"],
)
def test_no_parameter_or_statistic_of_a_new_network_is_left_constant(build):
    module = build()
    tensors = dict(module.named_parameters())
    tensors |= {
        name: buffer
        for name, buffer in module.named_buffers()
        if "running" in name or "Frozen" in type(module).__name__
    }
    assert any(tensor.numel() > 1 and bool((tensor == tensor.flatten()[0]).all()) for tensor in tensors.values())
    randomize_constants(module, 0)
    left = [
        n for n, t in tensors.items() if t.is_floating_point() and t.numel() > 1 and bool((t == t.flatten()[0]).all())
    ]
    assert not left


def test_statistics_that_were_trained_and_buffers_of_other_kinds_stay():
    norm = nn.BatchNorm2d(4)
    norm.running_mean.copy_(torch.arange(4.0))
    norm.register_buffer("mask", torch.zeros(4))
    randomize_constants(norm, 0)
    assert torch.equal(norm.running_mean, torch.arange(4.0))
    assert torch.equal(norm.mask, torch.zeros(4))
    assert 0.8 <= norm.running_var.min() < norm.running_var.max() <= 1.2


@pytest.mark.parametrize("size", [16, 2, 1])
def test_new_statistics_fit_the_inputs_so_that_no_activation_grows_or_drowns_in_rounding(size):
    torch.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))]
    for layer in layers[::2]:
        nn.init.normal_(layer.weight)  # Each makes its input eight times as large.
    module, image = nn.Sequential(*layers).eval(), torch.randn(1, 8, size, size)
    randomize_constants(module, 0, [image])
    with torch.no_grad():
        found, precise = module(image), module.double()(image.double())
    assert 0.3 < found.std() < 3
    assert (found - precise).abs().max() < 1e-5 * precise.abs().max()
    assert size < 16 or all((layer.running_var / 72).min() > 0.1 for layer in layers[3::2])


def test_statistics_leave_a_network_that_multiplies_rounding_its_means():
    """Of this one, with means taken off, torch's own float32 is off by a tenth."""
    torch.manual_seed(0)
    module, image = timm.create_model("efficientvit_b1").eval(), torch.randn(1, 3, 256, 256)
    randomize_constants(module, 0, [image])
    with torch.no_grad():
        found, precise = module(image), module.double()(image.double())
    assert (found - precise).abs().max() < 1e-4 * precise.abs().max()
