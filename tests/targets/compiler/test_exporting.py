import pytest
import torch
from torch import nn
from torch.fx import GraphModule

from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.importing.rules import converts
from blockfront.targets.compiler.randomize import randomize_constants


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


class Tokens(nn.Module):
    """A batch norm whose channels are not those of the linear layer before it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 12)
        self.norm = nn.BatchNorm1d(36)

    def forward(self, x):
        return self.norm(self.linear(x.flatten(1, 2)))


class InPlace(nn.Module):
    def forward(self, x):
        y = x + 1
        z = y * 2
        y.relu_()
        y += z
        return y.mul_(3) - z


class ThroughView(nn.Module):
    """Another tensor sees the change."""

    def forward(self, x):
        y = x * 2
        y[:, :2].add_(5)
        y.select(1, 2).copy_(x[:, 0])
        return y


class Parts(nn.Module):
    def forward(self, x):
        a, b, c = x.split(1, 1)
        d, e = torch.cat([a, b * 2, c, a], 1).chunk(2, 1)
        return d.unbind(1)[1] + e.squeeze(0)[0]


class Constants(nn.Module):
    """What does not depend on the image, and decides what is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(5, 12))

    def forward(self, x):
        scale = torch.ones(12)
        scale[3:] = 2
        y = x * self.table[torch.arange(12) % 5]
        return y * scale if float(scale.sum()) > 0 else y


class ConstantChanged(nn.Module):
    """After its first use."""

    def forward(self, x):
        scale = torch.ones(12)
        y = x * scale
        scale[3:] += 1
        return y + scale


MODULES = {
    "residual": Residual(),
    "tokens": Tokens(),
    "in place": InPlace(),
    "through a view": ThroughView(),
    "parts": Parts(),
    "constants": Constants(),
    "a constant changed": ConstantChanged(),
    "transformer": nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(144, 4, 16, batch_first=True)),
    "operators TVM lacks": nn.Sequential(nn.PixelUnshuffle(2), nn.LPPool2d(2, 2), nn.Softmin(1)),
}


def trace(module):
    """The module with random statistics, and its trace as a module."""
    torch.manual_seed(0)
    randomize_constants(module.eval(), seed=1)
    exported = export_module(module, Signature.image(12))
    return exported, GraphModule(exported.constants, exported.graph)


@pytest.mark.parametrize("name", MODULES)
def test_a_trace_computes_what_its_module_does(name):
    _, traced = trace(MODULES[name])
    for _ in range(2):
        x = torch.randn(1, 3, 12, 12)
        with torch.no_grad():
            assert torch.allclose(*traced(x.clone()), MODULES[name](x.clone()), atol=1e-5)


@pytest.mark.parametrize("name", MODULES)
def test_every_operator_of_a_trace_can_be_imported(name):
    exported, _ = trace(MODULES[name])
    calls = [node for node in exported.graph.nodes if node.op == "call_function"]
    assert all(node.target.__name__ == "getitem" or converts(node.target) for node in calls)


def test_no_batch_norm_is_left():
    exported, _ = trace(Residual())
    assert not any("batch_norm" in str(node.target) for node in exported.graph.nodes)


def test_what_does_not_depend_on_the_image_is_computed_while_tracing():
    class Table(nn.Module):
        def forward(self, x):
            return x * torch.arange(12).float().softmax(0)

    exported, _ = trace(Table())
    assert [node.op for node in exported.graph.nodes] == ["placeholder", "get_attr", "call_function", "output"]


def test_the_module_itself_is_not_changed():
    module = Residual().eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    export_module(module, Signature.image(12))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_module_whose_flow_depends_on_the_image_is_refused():
    class Branches(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(RunError, match="reads a number out of a tensor"):
        export_module(Branches(), Signature.image(12))


class Passing(nn.Module):
    """Constants that nobody holds, whose memory is then an activation's."""

    def forward(self, x):
        for _ in range(30):
            x = (x + torch.arange(x.numel(), dtype=torch.float32).reshape(x.shape)) * 2
            x.relu_()
        return x


def test_memory_of_a_constant_that_is_gone_is_not_taken_for_shared():
    """Where an operator in place is proven to change nothing else it is recorded as it is."""
    trace = export_module(Passing(), Signature.image(12))
    assert sum(str(node.target) == "aten.relu_.default" for node in trace.graph.nodes) == 30
