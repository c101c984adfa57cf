"""Calls of operators with arguments that few networks give."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from blockfront.signature import Signature

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


def _with_fractions(x: Tensor) -> list[Tensor]:
    """Whole numbers with numbers that are none, which torch computes in float32."""
    i = x.argmax(1)
    return [
        *(i * 0.5, i + 0.5, i - 0.5, 0.5 - i, i / 2, i / (i + 1), 2 / (i + 1), i**0.5, 2.0**i, i % 1.5),
        *(torch.fmod(i, 1.5), i.clamp(0.5, 2.5), i.clamp(min=3), (i > 2.5) * 0.5, (i <= 4.5) + 1, (x > 0) * 3),
        *(torch.add(i, i, alpha=2), torch.add(i, 1.5, alpha=2), i.int() * 2.5, torch.where(i == 2.5, x, x * 2)),
    ]


def _divided_whole(x: Tensor) -> list[Tensor]:
    i = x.argmax(1)
    modes = [torch.div(one, 3, rounding_mode=mode) for one in (i, -i, x) for mode in ("floor", "trunc")]
    return [
        *modes,
        i // 3,
        -i // 3,
        x // 0.3,
        7 // (i + 1),
        torch.div(i, 3, rounding_mode=None),
        (i + 1).to(torch.int8) // 2,
    ]


def _functions_of_whole_numbers(x: Tensor) -> list[Tensor]:
    i = x.argmax(1)
    functions = (
        torch.exp,
        torch.sigmoid,
        torch.sin,
        torch.cos,
        torch.tan,
        torch.atan,
        torch.asinh,
        torch.tanh,
        torch.erf,
    )
    positive = (torch.log, torch.log2, torch.log10, torch.log1p, torch.sqrt, torch.rsqrt, torch.reciprocal, torch.expm1)
    return [*(one(i) for one in functions), *(one(i + 1) for one in positive), 2**i, torch.exp(x > 0)]


def _products_of_whole_numbers(x: Tensor) -> list[Tensor]:
    """With constants of 64 bits, which are stored in tiles."""
    i = x.argmax(1)
    square = torch.arange(225).reshape(15, 15)
    return [
        i @ square,
        i @ i.mT,
        torch.bmm(i, i.mT),
        torch.mm(i[0], i[0].T),
        i.cumsum(1),
        i.cumsum(2),
        (x > 0).cumsum(2),
    ]


_NONE = torch.tensor([0])

CASES: dict[str, Function] = {
    "whole numbers with fractions": _with_fractions,
    "whole numbers divided": _divided_whole,
    "functions of whole numbers": _functions_of_whole_numbers,
    "products of whole numbers": _products_of_whole_numbers,
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
