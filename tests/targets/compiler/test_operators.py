"""Operators with arguments that few networks give come out as torch computes them, or are refused."""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import tvm
from torch import Tensor, nn
from torchvision.ops import nms, roi_align

from blockfront.errors import CompilerTimeout, RunError
from blockfront.signature import Signature
from blockfront.targets import Program, compile_model, get_target
from blockfront.targets.compiler import building, kernels
from blockfront.targets.compiler.building import object_code
from blockfront.targets.compiler.importing.rules import RULES, converted_by_tvm
from blockfront.targets.compiler.importing.support import HARMLESS, LEFT_OUT, READS, SUPPORTS, out_of_place

pytestmark = pytest.mark.compiles

IMAGE = Signature.image(12, 15)
Function = Callable[[Tensor], Tensor | list[Tensor]]


class Computed(nn.Module):
    """A convolution to twelve channels, and what `function` makes of it."""

    def __init__(self, function: Function, *parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.parts, self.function = nn.Conv2d(3, 12, 3, padding=1), nn.ModuleList(parts), function

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        x = self.conv(x)
        for part in self.parts:
            x = part(x)
        return self.function(x)


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.flatten(2).reshape(1, heads, -1, 180).transpose(2, 3)


def _causal(x: Tensor) -> Tensor:
    q = _heads(x, 2)
    return F.scaled_dot_product_attention(q, q * 0.5, q, is_causal=True)


def _masked(x: Tensor) -> Tensor:
    q, mask = _heads(x, 2), torch.arange(180)[None] % 3 != torch.arange(180)[:, None] % 3
    return F.scaled_dot_product_attention(q, q * 0.5, q, attn_mask=mask, scale=0.3)


def _grouped(x: Tensor) -> Tensor:
    q, k = _heads(x, 4), _heads(x[:, :6], 2)
    return F.scaled_dot_product_attention(q, k, k * 2, enable_gqa=True)


def _grid(x: Tensor) -> Tensor:
    turned = torch.tensor([[[0.9, 0.1, 0.05], [-0.1, 0.8, 0.0]]])
    return F.grid_sample(x, F.affine_grid(turned, [1, 12, 12, 15], align_corners=False), align_corners=False)


def _set_where(x: Tensor) -> Tensor:
    x = x * 1
    x[x > 0.2] = 0.0
    return x


def _set_some(x: Tensor) -> Tensor:
    x = x * 1
    x[:, torch.tensor([1, -3])] = x[:, :2].tanh()
    return x


def _bordered(x: Tensor) -> Tensor:
    """As CoaT has it: heads of concatenated channels beside others, and a border for a token of no place."""
    parts = torch.cat([x, x.tanh(), x[:, :8].relu()], 1).flatten(2).transpose(1, 2)
    heads = parts.reshape(1, 180, 4, 8).transpose(1, 2)
    return F.pad(heads * heads.flip(2), (0, 0, 1, 0))


def _quarters() -> Tensor:
    return (torch.arange(12) // 3)[None, :, None, None].expand(1, 12, 12, 15)


def _volume(x: Tensor) -> Tensor:
    return x.reshape(1, 12, 3, 4, 15)


def _pooled_volumes(x: Tensor) -> list[Tensor]:
    x = _volume(x)
    return [
        F.avg_pool3d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        F.avg_pool3d(x, 2, divisor_override=3),
        F.max_pool3d(x, (1, 2, 3), 2, dilation=(1, 1, 2)),
        *F.adaptive_max_pool3d(x, (2, 3, 4), return_indices=True),
        *(F.adaptive_avg_pool3d(x, size) for size in (1, (3, 2, 5), (2, 3, 4))),
    ]


def _convolved_volumes(x: Tensor) -> list[Tensor]:
    x, kernel = _volume(x), torch.linspace(-1, 1, 12 * 2 * 27).reshape(12, 2, 3, 3, 3)
    return [
        F.conv3d(x, kernel[:, :1], torch.ones(12), (1, 2, 2), (1, 2, 2), (1, 2, 2), 12),
        F.conv3d(x, kernel.reshape(2, 12, 3, 3, 3), padding="same"),
        F.conv_transpose3d(x, kernel, torch.ones(6), 2, (0, 1, 3), 1, 3, (1, 2, 1)),
    ]


def _scattered(x: Tensor) -> list[Tensor]:
    rows = torch.tensor([3, 1])[None, :, None, None]
    several, here = torch.zeros(1, 4, 12, 15), x.argmax(1, keepdim=True) % 4
    return [
        x.scatter(1, torch.full((1, 1, 12, 15), 2), 5.0),
        x.scatter(1, rows.expand(1, 2, 12, 15), x[:, :2] * 2),
        x.scatter(1, rows.expand(1, 2, 3, 15), x[:, :2] * 2),
        several.scatter(1, here, 1.0),
        several.scatter(1, here, x),
        x.index_fill(1, torch.tensor([1, 3]), 2.0),
        x.index_copy(2, torch.tensor([1, 3]), x[:, :, :2]),
        several.index_reduce(1, torch.arange(12) // 3, x, "amax", include_self=False),
        *(
            several.scatter_reduce(1, _quarters(), x, way, include_self=whole)
            for way in ("sum", "mean", "amax", "amin", "prod")
            for whole in (True, False)
        ),
    ]


def _written_after(x: Tensor) -> list[Tensor]:
    """Into what was made of constants: after it was used, twice, and while a view of it is held."""
    used, twice, viewed, windows = torch.ones(3), torch.ones(3), torch.ones(3), x * 1
    first, part = x * used.sum(), viewed[:2]
    used.add_(x.mean())
    twice.add_(x.mean()).mul_(2)
    viewed.add_(x.mean())
    windows.unfold(3, 3, 3).mul_(2.0)
    return [first + used.sum(), twice.sum() * x, part.sum() * x, windows]


def _regions(x: Tensor) -> list[Tensor]:
    boxes = [torch.tensor([[1.0, 1.5, 9.0, 8.0], [0.0, 0.0, 5.0, 20.0]])]
    near = boxes[0] + x[0, 0, 0, :4]
    return [
        roi_align(x, boxes, (3, 2), 0.5, 2, aligned=True),
        roi_align(x, boxes, (3, 2)),
        roi_align(x, [near], 2, sampling_ratio=3),
    ]


_NONE = torch.tensor([0])

CASES: dict[str, Function] = {
    "add alpha": lambda x: torch.add(x, x.tanh(), alpha=0.17),
    "add_ alpha": lambda x: x.tanh().add_(x, alpha=0.3),
    "sub alpha": lambda x: torch.sub(x, x.tanh(), alpha=2),
    "add number alpha": lambda x: torch.add(x, 2, alpha=3),
    "rsub alpha": lambda x: torch.rsub(x, x.tanh(), alpha=0.5),
    "hardtanh of whole numbers": lambda x: F.hardtanh(x, -2, 1),
    "hardtanh lower": lambda x: F.hardtanh(x, -0.5),
    "clamp_max": lambda x: x.clamp_max(0.2),
    "selu in place": lambda x: F.selu(x * 1, inplace=True),
    "celu": lambda x: F.celu(x, 0.6),
    "std": lambda x: x.std((2, 3)),
    "std correction": lambda x: x.std((2, 3), correction=2),
    "var": lambda x: x.var((2, 3)),
    "var of the whole population": lambda x: x.var((2, 3), correction=0),
    "average divisor": lambda x: F.avg_pool2d(x, 3, 2, 1, divisor_override=5),
    "average ceil": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "maximum ceil dilated": lambda x: F.max_pool2d(x, 3, 2, 1, dilation=2, ceil_mode=True),
    "nearest to any size": lambda x: F.interpolate(x, size=(17, 31)),
    "nearest by a fraction": lambda x: F.interpolate(x, scale_factor=1.6),
    "bilinear by a fraction": lambda x: F.interpolate(x, scale_factor=1.6, mode="bilinear"),
    "bilinear with aligned corners, to labels": lambda x: F.interpolate(
        x, size=(24, 32), mode="bilinear", align_corners=True
    ).argmax(1),
    "bilinear, channels innermost": lambda x: F.avg_pool2d(F.interpolate(x, size=(20, 31), mode="bilinear"), 2),
    "bicubic": lambda x: F.interpolate(x, size=(31, 40), mode="bicubic"),
    "bicubic by a fraction, to a convolution": lambda x: F.conv2d(
        F.interpolate(x, scale_factor=(1.3, 0.7), mode="bicubic"), torch.linspace(-1, 1, 36).reshape(3, 12, 1, 1)
    ),
    "antialiased": lambda x: F.interpolate(x, size=(7, 6), mode="bilinear", antialias=True),
    "antialiased bicubic": lambda x: F.interpolate(x, size=(7, 6), mode="bicubic", antialias=True),
    "causal attention": _causal,
    "attention with a mask of booleans": _masked,
    "grouped-query attention": _grouped,
    "batch statistics": lambda x: F.batch_norm(x, None, None, training=True),
    "instance norm": lambda x: F.instance_norm(x, eps=1e-2),
    "narrow": lambda x: x.narrow(1, 3, 4),
    "any": lambda x: (x - 1).relu().any(1).float(),
    "isin inverted": lambda x: torch.isin(x.round(), torch.tensor([0.0, 1.0]), invert=True).float(),
    "cumsum": lambda x: x.cumsum(3),
    "cumsum over channels": lambda x: x.cumsum(1),
    "pixel shuffle": lambda x: F.pixel_shuffle(x, 2),
    "mish": F.mish,
    "adaptive maximum": lambda x: F.adaptive_max_pool2d(x, (5, 4)),
    "unfold": lambda x: F.unfold(x, 3, padding=1, stride=2, dilation=2),
    "fold": lambda x: F.fold(F.unfold(x, 3, padding=1, stride=2), x.shape[-2:], 3, padding=1, stride=2),
    "grid sample": _grid,
    "group norm without weights": lambda x: F.group_norm(x, 3),
    "group norm far from zero": lambda x: F.group_norm(x + 30, 1),
    "variance of everything": lambda x: x.var(),
    "sum in another type": lambda x: x.relu().bool().sum((2, 3), dtype=torch.float32),
    "zeros in another type": lambda x: x + torch.zeros_like(x.round().long(), dtype=torch.float32) + 1,
    "full of a number in another type": lambda x: x + torch.full_like(x.round().long(), 2.5, dtype=torch.float32),
    "same": lambda x: nn.Identity()(x),
    "log_sigmoid of silu": lambda x: F.logsigmoid(F.silu(x)),
    "randomised relu": F.rrelu,
    "exp2": lambda x: x.exp2(),
    "sinh": lambda x: x.sinh(),
    "cosh": lambda x: x.cosh(),
    "erfc": lambda x: x.erfc(),
    "hypot": lambda x: torch.hypot(x, x + 1),
    "copysign": lambda x: torch.copysign(x, x.flip(1)),
    "heaviside": lambda x: torch.heaviside(x, torch.tensor(0.5)),
    "ceil in place": lambda x: (x * 3).ceil_(),
    "masked fill in place": lambda x: (x * 1).masked_fill_(x > 0.2, -1.0),
    "a mask as an index of what is set": _set_where,
    "an index of what is set": _set_some,
    "index put accumulating": lambda x: x.index_put((_NONE, torch.tensor([3, 3])), x[0, :2], accumulate=True),
    "index add": lambda x: torch.zeros(1, 4, 12, 15).index_add(1, torch.arange(12) // 3, x),
    "scatter": _scattered,
    "pooling of volumes": _pooled_volumes,
    "convolution of volumes": _convolved_volumes,
    "regions": _regions,
    "constants that are written into": _written_after,
    "places of adaptive maxima": lambda x: F.adaptive_max_pool2d(x, (5, 4), return_indices=True)[1],
    "products added up": lambda x: torch.addbmm(x[0, 0, :, :12], x[0], x[0].mT, beta=0.5, alpha=2),
    "as if quantised": lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -10, 20),
    "scatter add": lambda x: torch.zeros(1, 4, 12, 15).scatter_add(1, _quarters(), x),
    "index": lambda x: x[:, [3, -1, 0]],
    "index of pixels": lambda x: x[:, :, torch.tensor([[0, 5]]), torch.tensor([-1, 3])],
    "index with a gap": lambda x: x[:, [1, 2], :, [3, 4]],
    "index of booleans": lambda x: x[:, torch.tensor([True, False] * 6)],
    "index that depends": lambda x: x.flatten()[x.flatten(1).argmax(1)],
    "take along an axis": lambda x: torch.take_along_dim(x, x.argmax(1, keepdim=True), 1),
    "as_strided": lambda x: x.as_strided((1, 12, 6, 5), (2160, 180, 30, 3), 1),
    "sliding windows": lambda x: x.unfold(2, 3, 2).unfold(3, 4, 1),
    "repeat interleave": lambda x: x.repeat_interleave(torch.arange(12) % 3, 1),
    "values of a maximum": lambda x: x.max(1).values,
    "places of a maximum": lambda x: x.max(2, keepdim=True).indices,
    "minimum": lambda x: x.min(3).values,
    "argmax of everything": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(1, keepdim=True),
    "amin": lambda x: x.amin((2, 3)),
    "product": lambda x: x.prod(1, keepdim=True),
    "sort": lambda x: x.sort(1, descending=True).values,
    "argsort": lambda x: x.argsort(2),
    "stable sort": lambda x: x.round().sort(stable=True, dim=1).indices,
    "topk": lambda x: x.topk(3, 1).values,
    "places of the smallest": lambda x: x.topk(2, 2, largest=False).indices,
    "kth value": lambda x: x.kthvalue(5, 1).values,
    "median": lambda x: x.median(1).values,
    "median of everything": lambda x: x[:, :2].median(),
    "quantile": lambda x: x.quantile(0.3, dim=1),
    "cumprod": lambda x: x.cumprod(1),
    "cummax": lambda x: x.cummax(1).values,
    "places of cummin": lambda x: x.cummin(2).indices,
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    "bucketize": lambda x: torch.bucketize(x, torch.tensor([-0.5, 0.0, 0.5]), right=True),
    "searchsorted": lambda x: torch.searchsorted(torch.tensor([-0.5, 0.0, 0.5]), x),
    "variance and mean": lambda x: torch.stack(torch.var_mean(x, (2, 3))),
    "adaptive average": lambda x: F.adaptive_avg_pool2d(x, (5, 3)),
    "adaptive average of a line": lambda x: F.adaptive_avg_pool1d(x.flatten(2), 7),
    "average of a line": lambda x: F.avg_pool1d(x.flatten(2), 3, 2, 1),
    "maximum of a line": lambda x: F.max_pool1d(x.flatten(2), 3, 2, 1, ceil_mode=True),
    "places of pooled maxima": lambda x: F.max_pool2d(x, 3, 2, 1, dilation=2, ceil_mode=True, return_indices=True)[1],
    "unpooling": lambda x: F.max_unpool2d(*F.max_pool2d(x[:, :, :, :14], 2, return_indices=True), 2),
    "bilinear form": lambda x: F.bilinear(x, x.tanh(), torch.linspace(-1, 1, 675).reshape(3, 15, 15)),
    "matrix by vector": lambda x: x[0, 0] @ x[0, 1, 2],
    "what lies apart": lambda x: [x[0, 0].trace(), torch.dot(x[0, 0, 0], x[0, 1, 0]), x[:, ::3, ::2].sum((1, 2))],
    "a concatenation of nothing": lambda x: torch.block_diag(x[0, 0], x[0, 1]),
    "a randomised relu that is not in place": lambda x: torch.cat([F.rrelu(x), x]),
    "cosine similarity": lambda x: F.cosine_similarity(x, x.roll(1, 1), dim=1),
    "distances": lambda x: torch.cdist(x[0, :, 0], x[0, :, 1], p=1.5),
    "bits shifted": lambda x: ((x * 9).int() >> 1) + ((x * 9).int() << 2),
    "count of what is not zero": lambda x: torch.count_nonzero(x > 0, dim=1),
    "take": lambda x: x.take(torch.tensor([3, -1])),
    "random numbers that nobody reads": lambda x: (x * 2, torch.rand(1))[0],
    "grouped convolution of a line": lambda x: F.conv1d(
        x.flatten(2), torch.linspace(-1, 1, 144).reshape(12, 4, 3), None, 1, 4, 4, 3
    ),
    "a border around a concatenation": _bordered,
    "one column": lambda x: F.conv2d(x, torch.linspace(-1, 1, 108).reshape(1, 12, 3, 3), padding=1),
    "one feature": lambda x: F.linear(x.flatten(1), torch.linspace(-1, 1, 2160)[None], torch.ones(1)),
}

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


@pytest.mark.parametrize("layer", [nn.Linear(2160, 1), nn.Conv2d(12, 1, 1)])
def test_a_single_column_has_its_multiply_accumulates(layer: nn.Module) -> None:
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
