"""Operators with arguments that few networks give come out as torch computes them, or are refused."""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
import tvm
from torch import Tensor, nn
from torchvision.ops import nms

from blockfront.errors import CompilerTimeout, RunError
from blockfront.signature import Signature
from blockfront.targets import Program, compile_model, get_target
from blockfront.targets.compiler import building, kernels
from blockfront.targets.compiler.building import object_code
from blockfront.targets.compiler.importing.rules import RULES, converted_by_tvm
from blockfront.targets.compiler.importing.support import HARMLESS, LEFT_OUT, READS, SUPPORTS, out_of_place
from tests.targets.compiler.operator_cases import CASES, IMAGE, Computed, Function

pytestmark = pytest.mark.compiles

CONVERTED = sorted(
    name
    for name in {out_of_place(name) for name in {*RULES, *converted_by_tvm()}} - LEFT_OUT
    if hasattr(torch.ops.aten, name.partition(".")[0])
)


def _optional(name: str) -> set[str]:
    """The arguments with a default of an operator that takes a tensor."""
    packet, _, overload = name.partition(".")
    schema = getattr(getattr(torch.ops.aten, packet), overload or "default")._schema
    if not any("Tensor" in str(argument.type) for argument in schema.arguments):
        return set()  # Its result is a constant, whatever it is given.
    return {argument.name for argument in schema.arguments if argument.has_default_value()}


@pytest.mark.parametrize("name", CONVERTED)
def test_an_operator_is_converted_by_whoever_reads_all_it_is_given(name: str) -> None:
    if name.partition(".")[2] not in getattr(torch.ops.aten, name.partition(".")[0]).overloads():
        return  # torch has no such call.
    answered = {*inspect.signature(SUPPORTS[name]).parameters} if name in SUPPORTS else set()
    assert _optional(name) <= READS.get(name, frozenset()) | HARMLESS.keys() | answered


def test_only_what_is_converted_is_said_to_read() -> None:
    assert {*READS} <= {*CONVERTED}
    assert not LEFT_OUT & ({*READS} | {*RULES})


def _program(module: nn.Module) -> Program:
    return compile_model(module, IMAGE, get_target("host"), threads=1, seed=1)


def _error(module: nn.Module) -> float:
    return _program(module).max_rel_error


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_what_it_is_in_torch(name: str) -> None:
    program = _program(Computed(CASES[name]))
    assert program.max_rel_error <= 1e-5
    assert not program.unscheduled_kernels


@pytest.mark.parametrize(
    "layer",
    [nn.GRU(12, 8, batch_first=True), nn.LSTM(12, 8, 2, batch_first=True, bidirectional=True), nn.RNN(12, 8)],
    ids=["GRU", "LSTM", "RNN"],
)
def test_a_recurrent_layer_is_what_it_is_in_torch(layer: nn.Module) -> None:
    assert _error(nn.Sequential(Computed(lambda x: x.mean(2).transpose(1, 2)), layer)) <= 1e-5


class Cells(nn.Module):
    """Three steps of each cell from a state of zeros, written into a tensor as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.ModuleList([nn.RNNCell(12, 4), nn.RNNCell(12, 4, nonlinearity="relu"), nn.GRUCell(12, 4)])
        self.long, self.bag = nn.LSTMCell(12, 4), nn.EmbeddingBag(30, 4, mode="max")

    def forward(self, x: Tensor) -> list[Tensor]:
        steps = x.mean(2).transpose(1, 2)
        given = torch.zeros(4, 3, 4)
        for place, cell in enumerate(self.cells):
            state = None
            for step in range(3):
                state = cell(steps[:, step], state)
                given[place, step] = state[0]
        pair = None
        for step in range(3):
            pair = self.long(steps[:, step], pair)
            given[3, step] = pair[1][0]
        tokens = (x[0, 0] * 5).abs().long().clamp(0, 29)
        return [given, self.bag(tokens), self.bag(tokens.flatten(), torch.tensor([0, 3, 3, 100]))]


def test_cells_and_bags_are_what_they_are_in_torch() -> None:
    assert _error(Computed(lambda x: x, Cells())) <= 1e-5


class Stateful(nn.Module):
    def __init__(self, change: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.state, self.change = torch.ones(1), change

    def forward(self, x: Tensor) -> Tensor:
        self.state = self.change(self.state, x)
        return x * self.state


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state, x: state.add_(x.mean()), "into a tensor that the module keeps for its next call"),
        (lambda state, x: state + x.mean(), "another output at every call with the same inputs"),
        (lambda state, x: state + 1, "another output at every call with the same inputs"),
    ],
)
def test_a_state_between_calls_is_refused_as_one(change: Callable[[Tensor, Tensor], Tensor], said: str) -> None:
    with pytest.raises(RunError, match=said):
        _error(Computed(lambda x: x, Stateful(change)))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(12, track_running_stats=False), nn.InstanceNorm2d(12, affine=True)])
def test_a_norm_that_computes_its_statistics_is_what_it_is_in_torch(norm: nn.Module) -> None:
    assert _error(Computed(lambda x: x, norm)) <= 1e-5


def test_an_instance_norm_that_keeps_its_statistics_uses_them() -> None:
    assert _error(Computed(lambda x: x, nn.InstanceNorm2d(12, affine=True, track_running_stats=True))) <= 1e-5


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: torch.linalg.inv(x[0, :, :, :12]), "aten.linalg_inv_ex solves or factorises matrices"),
        (lambda x: torch.fft.rfft2(x).abs(), "aten._fft_r2c computes with complex numbers"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8).dequantize(), "tensors of a quantised type"),
        (lambda x: nms(x[0, 0, :4, :4], x[0, 1, 0, :4], 0.5), "torchvision.nms chooses boxes"),
        (lambda x: torch.sparse.mm(torch.eye(12).to_sparse(), x[0, 0]), "a tensor of the module is sparse"),
        (lambda x: torch.lgamma(x), "lgamma.default has neither a converter nor a decomposition"),
        (lambda x: (x[0, 0] * 1).fill_diagonal_(0.0), "as_strided"),
        (lambda x: x if x.mean() > 0.1 else -x, "reads a number out of a tensor that depends on the input"),
        (lambda x: x[x > 0], "size of a tensor depends on the values of the input"),
        (lambda x: x.nonzero(), "size of a tensor depends on the values of the input"),
        (lambda x: x.round().unique(), "size of a tensor depends on the values of the input"),
        (lambda x: x + torch.rand_like(x), "rand_like.default is random"),
        (lambda x: x[:, torch.randperm(12)], "randperm.default is random"),
        (lambda x: x.bfloat16().float(), "computes in bfloat16"),
        (lambda x: x[:, :, ::2].as_strided((1, 2), (0, 3)), "as_strided on a tensor that is itself a view"),
        (F.dropout, "dropout is on in evaluation mode"),
        (lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True, divisor_override=5), "divisor_override together with ceil"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.1), "its output is random"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(function: Function, said: str) -> None:
    with pytest.raises(RunError, match=said):
        _error(Computed(function))


def _reduced_every_way(x: Tensor) -> list[Tensor]:
    """Along every choice of axes, of tensors that end in axes of one element too."""
    tensors = [x, x.flatten(2)[:, :1].transpose(1, 2), x.mean((2, 3), keepdim=True), x.flatten(1)[:, :7, None, None]]
    return [
        torch.linalg.vector_norm(tensor.exp(), dim=axes, keepdim=keep)
        for tensor in tensors
        for count in range(1, tensor.dim())
        for axes in itertools.combinations(range(1, tensor.dim()), count)
        for keep in (True, False)
    ]


def test_a_reduction_has_a_schedule_along_whichever_axes() -> None:
    program = _program(Computed(_reduced_every_way))
    assert program.max_rel_error <= 1e-5
    assert not program.unscheduled_kernels


@pytest.mark.parametrize("make", [partial(nn.Linear, 2160, 1), partial(nn.Conv2d, 12, 1, 1)])
def test_a_single_column_has_its_multiply_accumulates(make: Callable[[], nn.Module]) -> None:
    # Of other weights the one sum of the linear layer may be near zero, and its relative error anything.
    torch.manual_seed(0)
    layer = make()
    linear = isinstance(layer, nn.Linear)
    kernels = _program(Computed(lambda x: layer(x.flatten(1) if linear else x))).kernels
    assert sum(kernel.macs for kernel in kernels) - 58320 == 2160 * (1 if linear else 2)


def test_weights_in_float64_are_no_obstacle_where_the_module_casts_to_them() -> None:
    layer = nn.Conv2d(12, 4, 1).double()
    assert _error(Computed(lambda x: layer(x.double()).float())) <= 1e-5


def test_what_is_logged_and_flattened_is_written_out_once() -> None:
    """A kernel's code does not grow with the size of the image, nor by the power of the functions in it."""
    sizes = []

    def measured(loops: tvm.IRModule, target: tvm.target.Target) -> bytes:
        sizes.append(len(str(loops)) / len(loops.functions))
        return object_code(loops, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "object_code", measured)
        module = Computed(lambda x: F.linear(F.logsigmoid(F.elu(x)).flatten(1), torch.ones(2, 12 * 32 * 32)))
        compile_model(module, Signature.image(32), get_target("host_avx2"), threads=1, seed=1)
    assert sizes
    assert max(sizes) < 50_000


def test_a_kernel_that_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(building, "LIMIT_S", 0.01)
    monkeypatch.setattr(tvm, "get_global_func", lambda name: lambda *_: never.wait())
    with pytest.raises(CompilerTimeout, match=r"kernel fused_conv2d\w*: LLVM took longer than 0\.01 s"):
        compile_model(Computed(lambda x: x * 0.123), Signature.image(13), get_target("host"), threads=1, seed=1)
    never.set()
