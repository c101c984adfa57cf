"""Every rule, for several processors' shapes, against torch, on kernels cut from small modules."""

import numpy as np
import pytest
import torch
import tvm
from torch import nn
from tvm import relax, tirx
from tvm.s_tir import Schedule

from blockfront.signature import Signature
from blockfront.targets import get_target
from blockfront.targets.compiler import winograd
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.kernel_cache import KernelCache
from blockfront.targets.compiler.kernels import call_by_symbol, compile_kernels, kernel_functions
from blockfront.targets.compiler.linking import link_program
from blockfront.targets.compiler.lowering import finalize, lower
from blockfront.targets.compiler.schedules import kernel_macs, schedule_kernel, sharing
from blockfront.targets.compiler.threads import use_threads
from blockfront.targets.hardware.machine import Machine
from blockfront.targets.hardware.target import Target

MACHINES = {
    "neon": Machine(lanes=4, registers=32, threads=2, fma_latency=7, lane_operands=True),
    "avx2": Machine(lanes=8, registers=16, threads=1, fma_per_cycle=2, loads_per_cycle=2),
    "avx512": Machine(lanes=16, registers=32, threads=4),
}


class Tokens(nn.Module):
    """Image to tokens, one transformer block, back to class scores; 49 tokens fill no vector."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 24, 2, 2)
        self.norm = nn.LayerNorm(24)
        self.qkv = nn.Linear(24, 72)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        batch, tokens, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(batch, tokens, 3, 2, width // 2).permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + y.transpose(1, 2).reshape(batch, tokens, width)
        return self.head(nn.functional.gelu(x).mean(1))


class Shuffle(nn.Module):
    def forward(self, x):
        x = torch.cat([x, x * 2, x + 1, x - 1], 1)
        batch, channels, high, wide = x.shape
        x = x.view(batch, 2, channels // 2, high, wide).transpose(1, 2).reshape(batch, channels, high, wide)
        left, right = x.chunk(2, dim=1)
        return right[:, 1:5] * left.mean((2, 3), keepdim=True)[:, :4]


class ShuffledParts(nn.Module):
    """Channels that fill vectors, of two tensors or one, in turn from `groups` places; then halves of them."""

    def __init__(self, groups: int, parts: int) -> None:
        super().__init__()
        self.groups = groups
        self.layers = nn.ModuleList(nn.Conv2d(3, 64 // parts, 1) for _ in range(parts))

    def forward(self, x):
        shuffled = nn.functional.channel_shuffle(torch.cat([layer(x) for layer in self.layers], 1), self.groups)
        left, right = shuffled.chunk(2, dim=1)
        return torch.cat([torch.relu(right), left.mean((2, 3), keepdim=True).expand_as(left)], 1)


class Excite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 1)
        self.gate = nn.Conv2d(16, 16, 1)

    def forward(self, x):
        x = nn.functional.silu(self.first(x))
        return x * nn.functional.hardsigmoid(self.gate(x.mean((2, 3), keepdim=True)))


class Labels(nn.Module):
    """Scores of a few classes at full size, and which is the highest; `classes` of 12 stay innermost."""

    def __init__(self, classes: int, labels: bool) -> None:
        super().__init__()
        self.head, self.labels = nn.Conv2d(3, classes, 1), labels

    def forward(self, x):
        scores = nn.functional.interpolate(self.head(x), (32, 48), mode="bilinear")
        return scores.argmax(1).float() if self.labels else scores + 1


class Centred(nn.Module):
    """What is left without the mean over some dimensions."""

    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x - x.mean(self.dims, keepdim=True)


MODULES = {
    **{f"without the mean over {dims}": Centred(*dims) for dims in [(3,), (1, 3), (2, 3), (1, 2, 3), ()]},
    "dense 3x3": nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU6()),
    "stem 7x7": nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.ReLU()),
    "stem without border": nn.Conv2d(3, 20, 3, 2),
    "patches": nn.Conv2d(3, 24, 4, 4),
    "dense 5x5, dilated": nn.Sequential(nn.Conv2d(3, 8, 5, 1, 4, dilation=2), nn.Hardswish()),
    "pointwise": nn.Sequential(nn.Conv2d(3, 40, 1), nn.SiLU(), nn.Conv2d(40, 12, 1)),
    "columns in parts": nn.Sequential(
        nn.Conv2d(3, 64, 1), nn.Conv2d(64, 58, 1), nn.ReLU(), nn.Conv2d(58, 105, 1), nn.Conv2d(105, 99, 1, bias=False)
    ),
    "depthwise": nn.Sequential(nn.Conv2d(3, 20, 1), nn.Conv2d(20, 20, 5, 2, 2, groups=20), nn.GELU()),
    "depthwise 7x7": nn.Sequential(nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 7, 1, 3, groups=16)),
    "grouped": nn.Sequential(nn.Conv2d(3, 32, 1), nn.Conv2d(32, 64, 3, 1, 1, groups=4), nn.ReLU()),
    "two channels a group": nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 3, 1, 1, groups=8)),
    "groups of seven and eighteen": nn.Sequential(
        nn.Conv2d(3, 12, 1),
        nn.Conv2d(12, 28, 5, 1, 2, groups=4),
        nn.ReLU(),
        nn.Conv2d(28, 36, 3, 2, 2, dilation=2, groups=2, bias=False),
    ),
    "pooling": nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.Tanh()),
    "ceil pooling": nn.MaxPool2d(3, 2, ceil_mode=True),
    "classifier": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10), nn.Sigmoid()),
    "softmax": nn.Sequential(nn.Flatten(), nn.Linear(588, 37), nn.Softmax(-1)),
    "tokens": Tokens(),
    "shuffle": Shuffle(),
    "shuffle by vectors": ShuffledParts(groups=4, parts=1),
    "shuffle of two parts": ShuffledParts(groups=2, parts=2),
    "excite": Excite(),
    "resized": Labels(5, False),
    "resized, channels innermost": Labels(12, False),
    "labels of what is resized": Labels(5, True),
}


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compiles a module for this machine with the rules of another: its output, and its kernels' rules.

    Short kernels too are shared between cores.
    """
    monkeypatch.setattr(sharing, "is_short", lambda *_: False)

    def run(model, x, machine):
        host = get_target("host")
        monkeypatch.setattr(Target, "machine", lambda *_: machine)
        lowered = lower(export_module(model.eval(), Signature.image(x.shape[-1])), host, 1)
        [kernels] = compile_kernels(lowered, machine, [host.compiler()], KernelCache(tmp_path))
        planned, _ = finalize(call_by_symbol(lowered, kernels))
        path = tmp_path / "network.so"
        path.write_bytes(link_program(planned, list(kernels.values()), host.compiler()))
        use_threads(1)
        loaded = relax.VirtualMachine(tvm.runtime.load_module(str(path)), tvm.cpu())
        output = loaded["main"](tvm.runtime.tensor(x.numpy())).numpy()
        return output, {kernel.rule for kernel in kernels.values()}

    return run


@pytest.mark.compiles
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", MODULES)
def test_scheduled_kernels_compute_what_torch_does_and_none_is_left_unscheduled(name, machine, compiled):
    torch.manual_seed(0)
    model = MODULES[name].eval()
    x = torch.randn(1, 3, 14, 14)
    output, rules = compiled(model, x, MACHINES[machine])
    assert None not in rules
    with torch.no_grad():
        np.testing.assert_allclose(output, model(x).numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.compiles
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("size", [8, 13])
def test_winograd_computes_the_convolution_for_whole_and_cut_tiles(size, m, machine, compiled, monkeypatch):
    monkeypatch.setattr(winograd, "best_tile", lambda *_: m)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.Hardswish(), nn.Conv2d(12, 20, 3), nn.ReLU()).eval()
    x = torch.randn(1, 3, size, size)
    output, rules = compiled(model, x, MACHINES[machine])
    assert {"transform", "contraction"} <= rules
    assert None not in rules
    with torch.no_grad():
        np.testing.assert_allclose(output, model(x).numpy(), rtol=1e-4, atol=1e-5)


def functions_of(model, size=14):
    """A model's kernels before they are scheduled."""
    return kernel_functions(lower(export_module(model.eval(), Signature.image(size)), get_target("host"), 1)).values()


def kernels_of(model, size=14):
    """A model's kernels, scheduled for a machine with Neon."""
    return [schedule_kernel(function, MACHINES["neon"]) for function in functions_of(model, size)]


def rules_of(model, size=14):
    return [kernel.rule for kernel in kernels_of(model, size)]


def test_each_operator_class_gets_its_own_rule():
    assert "contraction" in rules_of(MODULES["dense 3x3"])
    assert "window" in rules_of(MODULES["depthwise"])
    assert "rows" in rules_of(MODULES["softmax"])
    assert "shuffle" in rules_of(MODULES["shuffle by vectors"])
    assert "shuffle" in rules_of(MODULES["shuffle of two parts"])
    assert set(rules_of(nn.ReLU())) == {"elementwise"}


def test_a_kernel_in_parts_runs_each():
    functions = [kernel.function for kernel in kernels_of(MODULES["columns in parts"])]
    loops = [len(f.body.block.body.seq) for f in functions if isinstance(f.body.block.body, tirx.SeqStmt)]
    assert loops == [2, 2]


def loops_of(function, kind):
    """Extents of the loops of a kind."""
    schedule = Schedule(function)
    loops = {
        loop: schedule.get(loop)
        for block in schedule.get_child_blocks(schedule.get_sblock("root"))
        for loop in schedule.get_loops(block)
    }
    return [int(loop.extent) for loop in loops.values() if loop.kind == kind]


def test_only_a_kernel_that_takes_long_is_shared_between_cores():
    short, long = (kernels_of(nn.ReLU(), size) for size in (8, 256))
    assert not any(loops_of(kernel.function, tirx.ForKind.PARALLEL) for kernel in short)
    assert all(loops_of(kernel.function, tirx.ForKind.PARALLEL) for kernel in long)


def test_the_sums_of_many_rows_are_kept_in_the_lanes_of_a_vector():
    [norm] = kernels_of(nn.LayerNorm(16), 16)
    assert set(loops_of(norm.function, tirx.ForKind.VECTORIZED)) == {4}


def stores(statement, times=1):
    """How many elements a kernel stores."""
    if hasattr(statement, "block"):
        return sum(stores(part, times) for part in (statement.block.init, statement.block.body) if part is not None)
    if isinstance(statement, tirx.For):
        return stores(statement.body, times * int(statement.extent))
    if isinstance(statement, tirx.SeqStmt):
        return sum(stores(part, times) for part in statement.seq)
    return times


@pytest.mark.parametrize("dims", [(1,), (2,), (3,), (1, 2), (1, 3), (2, 3), (1, 2, 3), ()])
def test_what_is_the_same_for_many_elements_is_computed_once(dims):
    [kernel] = kernels_of(Centred(*dims), 32)
    # Sums, partial ones and what they begin with among them, and the results.
    assert 2 * 3 * 32 * 32 <= stores(kernel.function.body) < 3.2 * 3 * 32 * 32


def test_macs_of_kernels_are_those_of_the_layers():
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 2, 1, groups=8))
    assert sum(map(kernel_macs, functions_of(layers))) == 14 * 14 * 8 * 27 + 7 * 7 * 8 * 9


def test_a_kernel_no_rule_covers_still_computes_and_says_so():
    class Unpooled(nn.Module):
        def forward(self, x):
            return nn.functional.max_unpool2d(*nn.functional.max_pool2d(x, 2, return_indices=True), 2)

    assert None in rules_of(Unpooled(), 64)
