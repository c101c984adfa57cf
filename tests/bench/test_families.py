"""Every family from its spec to a checked program."""

import pytest

from bench.blocks import BLOCKS, deploy
from bench.design_space import Head, Network, StageSpec, Stem
from bench.targets import compile_model, get_target

FAMILIES = [name for name, block in BLOCKS.items() if block.cls.__module__.startswith("bench.blocks")]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_kernel_of_any_family_is_left_unscheduled_and_its_macs_are_the_networks(family):
    network = Network(
        resolution=32,
        num_classes=10,
        stem=Stem(width=16, stride=2),
        stages=(StageSpec.of(family, 2, 24, 2), StageSpec.of(family, 1, 32, 1)),
        head=Head(width=0),
    )
    program = compile_model(deploy(network.build()), 32, get_target("rk3399"), seed=0)
    assert program.unscheduled_kernels == ()
    assert program.max_rel_error <= 1e-4
    assert sum(kernel.macs * kernel.calls for kernel in program.kernels) == network.cost.macs
