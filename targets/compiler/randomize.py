"""Weights that let no branch hide in a comparison."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod, sqrt
from typing import Any

import torch
from torch import nn

from blockfront.agreement.outputs import compare, tensors

_BUFFERS = ("running_mean", "running_var", "weight", "bias")
"""Of normalisation. Others are masks, indices and filters, whose values mean something."""

_VISIBLE = 0.1
"""A scale of less, such as a layer scale of 1e-6, is as good as zero."""


_PIXELS = 16
"""A channel of fewer has no statistics of its own, but those of all channels of its layer."""

_NOISE, _CHAOS = 1e-5, 1e-3
"""An input that is off by the one, in deviations, may change an output by the other, in shares of its largest value."""


def randomize_constants(module: nn.Module, seed: int, samples: Sequence[torch.Tensor] = ()) -> None:
    """Give every constant float parameter, and constant normalisation statistics, random values, in place.

    What a new network has equal everywhere hides something: a head of zeros its whole body, a scale of zeros or 1e-6
    its branch, running statistics of 0 and 1 themselves. Whatever a checkpoint left in other tensors stays. Values are
    of the size of a usual initialisation, so that activations stay in range:

    - zeros: uniform within 0.2, or within √(3 / fan-in) where that is less, which keeps the variance (LeCun et al.,
      "Efficient BackProp", 1998); a single zero becomes a scale.
    - scales, along one dimension at most, and below 0.1: 0.8 to 1.2.
    - other constants: 0.8 to 1.2 times what they are.
    - running statistics, where there are `samples`, which the module takes: the mean and variance of what reaches the
      layer for these, the one moved by up to 0.2 deviations and the other by 0.8 to 1.2. Trained statistics fit their
      network so too; any others let activations grow from layer to layer, until rounding is all that is left of them.
      Where what differs a little at the input differs a hundred times as much at an output, means are left where they
      are, near zero, and variances become mean squares: linear attention gives nearly the same for all pixels
      (EfficientViT, Cai et al. 2023), and to take that off, block by block, would leave rounding too.

    The same seed gives the same values; torch's global random state is not touched.
    """
    generator = torch.Generator().manual_seed(seed)
    constants = list(_constants(module))
    with torch.no_grad():
        for tensor, low, high in constants:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
        norms = _fresh_norms(module, {id(tensor) for tensor, _, _ in constants}) if samples else []
        if norms and _is_chaotic(module, _fit_statistics(module, norms, samples, generator), samples, generator):
            _fit_statistics(module, norms, samples, generator, centred=False)


def _is_chaotic(module: nn.Module, returned: Any, samples: Sequence[torch.Tensor], generator: torch.Generator) -> bool:
    """Whether an output of floating-point numbers, of what is `returned` for the samples, is another near them."""
    near = [
        sample + _NOISE * torch.randn(sample.shape, generator=generator) if sample.is_floating_point() else sample
        for sample in samples
    ]
    now = tensors(module(*(sample.clone() for sample in near)))
    return any(
        now[name].shape == value.shape and compare(now[name].double().numpy(), value.double().numpy())[1] > _CHAOS
        for name, value in tensors(returned).items()
        if value.is_floating_point()
    )


def _fresh_norms(module: nn.Module, constant: Container[int]) -> list[nn.modules.batchnorm._NormBase]:
    norms = (layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._NormBase))
    return [layer for layer in norms if id(layer.running_var) in constant]


def _fit_statistics(
    module: nn.Module,
    norms: Iterable[nn.modules.batchnorm._NormBase],
    samples: Sequence[torch.Tensor],
    generator: torch.Generator,
    centred: bool = True,
) -> Any:
    """Running statistics become those of `samples`, or nearly, in one run of the module; what that returned."""

    def fit(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0]
        channels = values.shape[1]
        # Of few pixels a channel's mean would be the pixels themselves, and little but rounding would be left of them.
        own = values.numel() >= _PIXELS * channels
        variance, mean = torch.var_mean(values, [0, *range(2, values.dim())] if own else None, correction=0)
        if not centred:
            variance, mean = variance + mean * mean, torch.zeros_like(mean)
        variance = variance.maximum(0.1 * (values * values).mean()).expand(channels)
        mean = mean.expand(channels)
        alive = variance > 0
        aside, wider = torch.rand(2, *mean.shape, generator=generator) * 0.4
        fitted = mean + (aside - 0.2) * variance.sqrt(), (wider + 0.8) * variance
        for kept, value in zip((layer.running_mean, layer.running_var), fitted, strict=True):
            assert isinstance(kept, torch.Tensor)
            kept.copy_(torch.where(alive, value, kept))

    hooks = [layer.register_forward_pre_hook(fit) for layer in norms]
    try:
        return module(*(sample.clone() for sample in samples))
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def random_constants(module: nn.Module, seed: int, samples: Sequence[torch.Tensor]) -> Iterator[None]:
    """`randomize_constants`, undone at the end."""
    kept = [(tensor, tensor.detach().clone()) for tensor, _, _ in _constants(module)]
    try:
        randomize_constants(module, seed, samples)
        yield
    finally:
        with torch.no_grad():
            for tensor, values in kept:
                tensor.copy_(values)


def _constants(module: nn.Module) -> Iterator[tuple[torch.Tensor, float, float]]:
    """Each tensor to randomise, with the range of its values."""
    buffers = (buffer for name, buffer in module.named_buffers() if name.rpartition(".")[2] in _BUFFERS)
    for tensor in (*module.parameters(), *buffers):
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        value = float(tensor.detach().flatten()[0])
        if abs(value) < float("inf") and bool((tensor == value).all()):
            yield tensor, *_range(value, [extent for extent in tensor.shape if extent > 1])


def _range(value: float, shape: list[int]) -> tuple[float, float]:
    if value == 0 and shape:
        bound = min(0.2, sqrt(3 / prod(shape[1:])))
        return -bound, bound
    scale = 1.0 if abs(value) < _VISIBLE and len(shape) <= 1 else value
    return 0.8 * scale, 1.2 * scale
