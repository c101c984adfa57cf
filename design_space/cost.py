"""MACs, parameters and activations, those of blocks without computing anything.

Every count is of the deployed network (re-parameterised branches fused), since that is what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from blockfront.blocks import create_block
from blockfront.blocks.deployment import deploy, fuse_branches
from blockfront.design_space.build import build_head, build_stem
from blockfront.design_space.spec import BlockOptions, Head, StageSpec, Stem
from blockfront.results.cost import Cost
from blockfront.signature import Input, Signature

_LAYERS = {torch.ops.aten.convolution, torch.ops.aten.addmm, torch.ops.aten.mm}


def count_cost(module: nn.Module, signature: Signature) -> Cost:
    """Cost of `deploy(module)` in one inference, whatever it returns; the module is left as it is.

    The module runs, once: one on torch's meta device shows its shapes alone. Raises whatever it raises.
    """
    deployed = deploy(module)
    first = next(deployed.parameters(), None)
    with torch.device("cpu" if first is None else first.device):
        return _run_counted(deployed, signature.zeros())[0]


def sum_cost(resolution: int, num_classes: int, stem: Stem, stages: Sequence[StageSpec], head: Head) -> Cost:
    """Cost of a whole network as the sum of its parts, each shape of a part counted once in a process."""
    total, sides = backbone_cost(resolution, stem, stages)
    width = stages[-1].width if stages else stem.width
    return total + _classifier_cost(width, head, num_classes, sides[-1])[0]


def backbone_cost(resolution: int, stem: Stem, stages: Sequence[StageSpec]) -> tuple[Cost, tuple[int, ...]]:
    """Cost of stem and stages, and the height and width that follow the stem and each stage."""
    total, size = _stem_cost(stem, resolution)
    in_chs, sides = stem.width, [size]
    for stage in stages:
        for position in range(stage.depth):
            stride = stage.stride if position == 0 else 1
            cost, size = _block_cost(stage.block, in_chs, stage.width, stride, stage.options, size)
            total += cost
            in_chs = stage.width
        sides.append(size)
    return total, tuple(sides)


@lru_cache(maxsize=4096)
def head_cost(
    build: Callable[[Any, tuple[int, ...], int], nn.Module],
    spec: Any,
    widths: tuple[int, ...],
    sides: tuple[int, ...],
    num_classes: int,
) -> Cost:
    """Cost of what `build(spec, widths, num_classes)` makes to follow stages of these widths and sides."""
    inputs = tuple(
        Input(f"stage{number}", (1, width, side, side))
        for number, (width, side) in enumerate(zip(widths, sides, strict=True))
    )
    with torch.device("meta"):
        cost, _ = _run_counted(fuse_branches(build(spec, widths, num_classes)), Signature(inputs).zeros())
    return replace(cost, head_macs=cost.macs)


@lru_cache(maxsize=4096)
def _stem_cost(stem: Stem, resolution: int) -> tuple[Cost, int]:
    return _count_on_meta(lambda: build_stem(stem), 3, resolution)


@lru_cache(maxsize=65536)
def _block_cost(
    name: str, in_chs: int, out_chs: int, stride: int, options: BlockOptions, size: int
) -> tuple[Cost, int]:
    return _count_on_meta(lambda: create_block(name, in_chs, out_chs, stride, **dict(options)), in_chs, size)


@lru_cache(maxsize=4096)
def _classifier_cost(in_chs: int, head: Head, num_classes: int, size: int) -> tuple[Cost, int]:
    return _count_on_meta(lambda: build_head(in_chs, head, num_classes), in_chs, size)


def _count_on_meta(make: Callable[[], nn.Module], in_chs: int, size: int) -> tuple[Cost, int]:
    with torch.device("meta"):
        deployed = fuse_branches(make())
        cost, output = _run_counted(deployed, Signature.image(size, channels=in_chs).zeros())
    return cost, output.shape[-1]


def _run_counted(deployed: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[Cost, Any]:
    """The cost, and what the module returns."""
    # Fused attention of processors has no formula in every version of torch.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _Counter() as counter:
        returned = deployed(*inputs)
    params = sum(parameter.numel() for parameter in deployed.parameters())
    return Cost(counter.flops // 2, params, counter.activations), returned


class _Counter(TorchDispatchMode):
    """Adds up FLOPs by torch's own formulas, and the outputs of convolutions and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.activations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        packet = func._overloadpacket
        if packet is torch.ops.aten.native_batch_norm and args[0].is_meta:
            # torch's shape inference of this one operator would take half of the time.
            return args[0], args[0].new_empty(0), args[0].new_empty(0)
        if func._schema.is_mutable and args[0].is_meta and torch.Tag.inplace_view not in func.tags:
            return args[0]  # What is written in place keeps its shape; nothing need be inferred.
        output = func(*args, **(kwargs or {}))
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=output)
        if packet in _LAYERS:
            self.activations += output.numel()
        return output
