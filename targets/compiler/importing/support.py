"""Which calls of an operator its converter reads whole.

TVM's converters and our rules read the arguments that networks usually give. A call with another value of an argument
that its converter does not read is decomposed or refused: it is never imported without it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from blockfront.integer import exact
from blockfront.targets.compiler.decompositions.registry import is_known

LEFT_OUT = frozenset(
    f"{name}.default"
    for name in (
        *("bernoulli", "celu", "clamp_max", "cross_entropy_loss", "exponential", "instance_norm", "mish"),
        *("narrow", "native_dropout", "native_group_norm", "pixel_shuffle", "randn_like", "grid_sampler_2d"),
        *("_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "as_strided"),
        *("affine_grid_generator", "linalg_vector_norm", "to_sparse", "_sparse_addmm"),
        *("im2col", "col2im", "adaptive_max_pool2d"),
        *("topk", "sort", "argsort", "cumsum", "cumprod", "argmin", "median", "sinh", "cosh", "heaviside"),
        *("take", "conv1d", "max_pool1d", "avg_pool1d", "adaptive_avg_pool1d", "max_pool2d_with_indices", "mv"),
        *("index_put", "index_add", "scatter_add", "max_pool3d_with_indices", "adaptive_avg_pool3d", "roi_align"),
    )
) | {
    *("bernoulli.p", "std.correction", "var_mean.correction", "std_mean.correction", "isin.Tensor_Tensor"),
    *("conv1d.padding", "index.Tensor", "max.dim", "min.dim", "median.dim", "bucketize.Tensor", "prod.dim_int"),
    *("_native_batch_norm_legit.no_stats", "lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input"),
}
"""Operators whose converters are wrong, or read so little that torch's own decomposition serves better."""

READS: dict[str, frozenset[str]] = {
    operator: frozenset(names.split())
    for names, operators in {
        "alpha": "elu.default",
        "approximate": "gelu.default",
        "attn_mask scale": "scaled_dot_product_attention.default",
        "beta alpha": "addmm.default baddbmm.default",
        "beta threshold": "softplus.default",
        "bias": "linear.default",
        "bias stride padding dilation groups": "conv2d.default conv2d.padding conv3d.default conv3d.padding",
        "bias stride padding output_padding groups dilation": "conv_transpose1d.default conv_transpose2d.input",
        "diagonal": "tril.default triu.default",
        "dim": "cat.default chunk.default concat.default "
        "split.Tensor split_with_sizes.default stack.default unbind.int",
        "dim correction keepdim": "var.correction",
        "dim keepdim": "amax.default any.dims argmax.default",
        "dim start end step": "slice.Tensor slice_scatter.default",
        "dims": "roll.default",
        "keepdim": "any.dim mean.dim sum.dim_IntList",
        "dtype": "_to_copy.default full_like.default to.dtype_layout",
        "lambd": "softshrink.default",
        "min max": "clamp.Tensor clamp.default",
        "min_val max_val": "hardtanh.default",
        "mode value": "pad.default",
        "negative_slope": "leaky_relu.default",
        "num_classes": "one_hot.default",
        "offset dim1 dim2": "diagonal.default",
        "scales_h scales_w": "upsample_bilinear2d.default upsample_bicubic2d.default "
        "_upsample_bilinear2d_aa.default _upsample_bicubic2d_aa.default",
        "size stride dtype": "_assert_tensor_metadata.default",
        "start_dim end_dim": "flatten.using_ints",
        "stride padding ceil_mode count_include_pad": "avg_pool2d.default avg_pool3d.default",
        "stride padding dilation ceil_mode": "max_pool2d.default max_pool3d.default",
        "value": "constant_pad_nd.default",
        "weight bias eps": "group_norm.default layer_norm.default",
    }.items()
    for operator in operators.split()
}
"""Optional arguments that the converter of an operator reads, whatever they are; found by reading the converters."""

HARMLESS = {
    "memory_format": "the order in memory is ours",
    "layout": "all is dense",
    "device": "there is one",
    "pin_memory": "there is one memory",
    "non_blocking": "nothing is asynchronous",
    "copy": "values are never changed in place",
    "cudnn_enable": "a way to compute",
    "cudnn_enabled": "a way to compute",
    "path": "a way to compute",
    "implicit": "tells who asked",
    "momentum": "of statistics that are kept for training",
    "padding_idx": "of gradients",
    "scale_grad_by_freq": "of gradients",
    "sparse": "of gradients",
    "sparse_grad": "of gradients",
    "assume_unique": "a hint",
}
"""Arguments that change nothing of what a network computes, and why."""

_MOVES = frozenset(
    f"{name}.default"
    for name in (
        *("cat", "chunk", "split_with_sizes", "permute", "view", "reshape", "_unsafe_view", "unsqueeze", "expand"),
        *("contiguous", "alias", "clone", "detach", "dropout", "gather", "index_select", "repeat", "flip", "roll"),
        *("stack", "max_pool2d"),
    )
) | {
    *("split.Tensor", "slice.Tensor", "select.int", "transpose.int", "flatten.using_ints", "squeeze.dim"),
    *("squeeze.dims", "unbind.int", "upsample_nearest2d.vec"),
}
"""Operators that give no value but such as they are given, in the same order of size."""

_VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)

_COMPARISONS = 1 << 22

Supports = Callable[..., bool]
SUPPORTS: dict[str, Supports] = {}


def supports(*names: str) -> Callable[[Supports], Supports]:
    """Register which calls of operators have a converter, by their arguments in the schema's order and names."""

    def register(function: Supports) -> Supports:
        SUPPORTS.update(dict.fromkeys(names, function))
        return function

    return register


def name_of(operator: Any) -> str:
    """Name and overload of an operator, as torch gives them; those of `blockfront.integer` have the package in front.

    >>> name_of(torch.ops.aten.add.Tensor)
    'add.Tensor'
    """
    name = str(operator.__name__)
    return f"blockfront.{name}" if exact(operator) else name


def only_moves(node: Any) -> bool:
    """Whether a call gives the values it is given: bytes may be stored otherwise than torch does."""
    return node.target is operator.getitem or name_of(node.target) in _MOVES


def out_of_place(name: str) -> str:
    """The operator without the underscore of the in-place version; here they are the same, as values are bound anew.

    >>> out_of_place("add_.Tensor"), out_of_place("__lshift__.Scalar")
    ('add.Tensor', '__lshift__.Scalar')
    """
    packet, dot, overload = name.partition(".")
    return name if packet.endswith("__") else packet.removesuffix("_") + dot + overload


def functional(target: Any) -> Any:
    """The operator that gives what `target` writes over its first argument; a reshape for a view, others as they are.

    What was recorded in one memory format is run in any.
    """
    if not isinstance(target, torch._ops.OpOverload):
        return target
    if target in _VIEWS:
        return torch.ops.aten.reshape.default
    packet, _, overload = out_of_place(target.__name__).partition(".")
    return getattr(getattr(torch.ops.aten, packet, None), overload, target)


def supported(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether the converter of an operator reads all that this call gives."""
    check = SUPPORTS.get(out_of_place(name_of(operator)))
    if check is None:
        return True
    given = {}
    for index, argument in enumerate(operator._schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        given[argument.name] = args[index] if index < len(args) else kwargs.get(argument.name, default)
    return check(**given)


@supports("add.Tensor", "sub.Tensor", "rsub.Tensor")
@supports("add.Scalar", "sub.Scalar", "rsub.Scalar")
def _is_unscaled(self: Tensor, other: Any, alpha: float) -> bool:
    return alpha == 1 and _is_of_its_type(self, other)


@supports("mul.Tensor", "mul.Scalar", "pow.Tensor_Scalar", "lt.Scalar", "le.Scalar", "gt.Scalar", "ge.Scalar")
@supports("remainder.Scalar", "fmod.Scalar")
def _is_of_its_type(self: Tensor, other: Any = None, **given: Any) -> bool:
    """Whether a number is of the tensor's type or less: TVM would round it to that."""
    other = given.get("exponent", other)
    return isinstance(other, Tensor) or torch.result_type(self, other) == self.dtype


@supports("clamp.default")
def _bounds_of_its_type(self: Tensor, min: float | None, max: float | None) -> bool:
    return all(bound is None or torch.result_type(self, bound) == self.dtype for bound in (min, max))


@supports(
    *(f"{name}.default" for name in ("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "erf", "exp", "log")),
    *(f"{name}.default" for name in ("log10", "log1p", "log2", "reciprocal", "rsqrt", "sigmoid", "sin", "sqrt", "tan")),
    *("tanh.default", "expm1.default"),
)
def _is_of_floats(self: Tensor) -> bool:
    return self.is_floating_point()


@supports("mm.default", "bmm.default")
def _multiplies_floats(self: Tensor, **_: Any) -> bool:
    return self.is_floating_point()


@supports("pow.Scalar")
def _has_a_real_exponent(self: float, exponent: Tensor) -> bool:
    return exponent.is_floating_point()


@supports("div.Tensor", "div.Scalar")
def _divides_floats(self: Tensor, other: Any) -> bool:
    return torch.result_type(self, other).is_floating_point and _is_of_its_type(self, other)


@supports("div.Tensor_mode", "div.Scalar_mode")
def _divides_by_a_tensor(self: Tensor, other: Any, rounding_mode: str | None) -> bool:
    return isinstance(other, Tensor) and rounding_mode is not None


@supports("elu.default")
def _has_no_scales(self: Tensor, alpha: float, scale: float, input_scale: float) -> bool:
    return scale == input_scale == 1


@supports("avg_pool2d.default", "avg_pool3d.default")
def _divides_by_its_window(divisor_override: int | None, **_: Any) -> bool:
    return divisor_override is None


@supports("adaptive_avg_pool2d.default")
def _is_one_mean(output_size: Sequence[int], **_: Any) -> bool:
    return tuple(output_size) == (1, 1)


@supports("scaled_dot_product_attention.default")
def _is_plain_attention(
    attn_mask: Tensor | None, dropout_p: float, is_causal: bool, enable_gqa: bool, **_: Any
) -> bool:
    return not (dropout_p or is_causal or enable_gqa or (attn_mask is not None and attn_mask.dtype == torch.bool))


@supports(
    "softmax.int", "log_softmax.int", "mean.dim", "mean.default", "sum.default", "sum.dim_IntList", "prod.default"
)
def _computes_in_the_same_type(self: Tensor, dtype: torch.dtype | None, **_: Any) -> bool:
    return dtype in (None, self.dtype) and self.dtype != torch.bool


@supports("zeros_like.default", "ones_like.default", "empty_like.default", "new_zeros.default", "new_ones.default")
def _is_filled_in_the_same_type(self: Tensor, dtype: torch.dtype | None, **_: Any) -> bool:
    return dtype in (None, self.dtype)


@supports("group_norm.default")
def _is_affine(weight: Tensor | None, bias: Tensor | None, **_: Any) -> bool:
    return weight is not None and bias is not None


@supports("var.correction")
def _names_axes(dim: Sequence[int] | None, **_: Any) -> bool:
    return bool(dim)


@supports("batch_norm.default")
def _has_statistics(running_mean: Tensor | None, training: bool, **_: Any) -> bool:
    return running_mean is not None and not training


@supports("dropout.default")
def _drops_nothing(p: float, train: bool, **_: Any) -> bool:
    return not train or p == 0


@supports("to.dtype")
def _only_converts(non_blocking: bool, copy: bool, memory_format: Any, **_: Any) -> bool:
    return not (non_blocking or copy or memory_format is not None)


@supports("any.dim", "any.dims", "any.default")
def _is_of_booleans(self: Tensor, **_: Any) -> bool:
    return self.dtype == torch.bool


@supports("scatter.src", "scatter.value")
def _compares_too_much(self: Tensor, dim: int, index: Tensor, **_: Any) -> bool:
    """Whether the index depends on the input and to compare each step of it with each place takes longer than TVM's
    loop over them, which no rule schedules: as where a large image is unpooled."""
    return not is_known(index) and self.numel() * index.shape[dim] > _COMPARISONS


@supports("eq.Scalar", "ne.Scalar")
def _compares_numbers(self: Tensor, other: Any) -> bool:
    return self.dtype != torch.bool and _is_of_its_type(self, other)


@supports("upsample_nearest2d.vec")
def _repeats_pixels(input: Tensor, output_size: Any, scale_factors: Any) -> bool:
    sizes = input.shape[2:]
    if output_size is None:
        return all(scale == int(scale) for scale in scale_factors)
    return all(size % before == 0 for size, before in zip(output_size, sizes, strict=True))
