"""Loops that are cut in parts at a condition stay within what they were."""

import pytest
import torch
import tvm_ffi
from torch import nn
from tvm import tirx

from blockfront.signature import Signature
from blockfront.targets import get_target
from blockfront.targets.compiler.building import lower_kernel
from blockfront.targets.compiler.compiling import compile_model
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.kernels import kernel_functions
from blockfront.targets.compiler.lowering import lower
from blockfront.targets.compiler.rewrites import overruns
from blockfront.targets.compiler.schedules import schedule_kernel


class ManyScales(nn.Module):
    """Queries, keys and values of two scales, told apart after a reshape (EfficientViT, Cai et al. 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 384, 1), nn.Conv2d(3, 384, 1)

    def forward(self, x):
        scales = torch.cat([self.one(x), self.other(x)], 1)
        query, key, value = scales.reshape(1, 16, 48, 196).transpose(2, 3).chunk(3, -1)
        return query.relu() @ (key.relu().transpose(-1, -2) @ value)


class BorderedScales(nn.Module):
    """Concatenated channels under a border on two sides, then a depthwise layer (MixNet, Tan & Le 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 48, 1), nn.Conv2d(3, 48, 1)
        self.norm, self.last = nn.BatchNorm2d(96), nn.Conv2d(96, 96, 3, 2, groups=96)

    def forward(self, x):
        scales = torch.cat([self.one(x), self.other(x)], 1)
        return self.last(nn.functional.pad(self.norm(scales).relu(), (0, 1, 0, 1)))


@pytest.mark.compiles
def test_parts_of_one_variable_and_several_lengths_compile():
    program = compile_model(BorderedScales().eval(), Signature.image(16), get_target("host"), seed=0)
    assert program.max_rel_error is not None


def test_parts_that_follow_each_other_with_one_variable_are_measured_each_for_itself():
    variable, buffer = tirx.Var("i", "int32"), tirx.decl_buffer((128,), "float32")

    def function(*lengths: int) -> tirx.PrimFunc:
        store = tirx.BufferStore(buffer, tirx.const(0.0, "float32"), [variable])
        loops = [tirx.For(variable, 0, length, tirx.ForKind.SERIAL, store) for length in lengths]
        return tirx.PrimFunc([buffer], tirx.SeqStmt(loops) if len(loops) > 1 else loops[0])

    assert not overruns(function(16, 64), function(80))
    assert overruns(function(16, 96), function(80))


def test_a_part_is_no_longer_than_the_loop_was():
    """Where the condition changes depends on a loop around it, and lies beyond its end for some rounds of that."""
    target = get_target("rpi5")
    lowered = lower(export_module(ManyScales(), Signature.image(14)), target, 1)
    for name, function in kernel_functions(lowered).items():
        loops = lower_kernel(schedule_kernel(function, target.machine(1)).function, "kernel")["kernel"]
        found: list[tirx.For] = []
        tvm_ffi.structural_walk(loops.body, [(tirx.For, found.append)])
        assert all(isinstance(loop.extent, tirx.IntImm) for loop in found), name
