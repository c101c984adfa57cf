import pytest
import torch
from torch import nn

from bench.targets.exporting import export_module
from bench.targets.randomize import randomize_statistics


class Residual(nn.Module):
    """Batch norm after a convolution with bias, without, after a sum, and after a shared convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, bias=True)
        self.norm1 = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.norm3 = nn.BatchNorm2d(8, affine=False)
        self.norm4 = nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.norm1(self.first(x))
        y = self.norm3(x + self.norm2(self.second(x)))
        z = self.second(y)
        return self.norm4(z) + z


@pytest.fixture
def module():
    torch.manual_seed(0)
    model = Residual().eval()
    randomize_statistics(model, seed=1)
    return model


def test_folded_batch_norms_leave_the_output_as_it_was(module):
    x = torch.randn(1, 3, 12, 12)
    with torch.no_grad():
        assert torch.allclose(export_module(module, 12).module()(x), module(x), atol=1e-5)


def test_no_batch_norm_is_left(module):
    targets = [str(node.target) for node in export_module(module, 12).graph.nodes]
    assert not any("batch_norm" in target for target in targets)


def test_the_module_itself_is_not_changed(module):
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    export_module(module, 12)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
