"""Every family from its spec to a checked program."""

import pytest

from blockfront.blocks import BLOCKS, deploy
from blockfront.design_space import CnnNetwork, Head, StageSpec, Stem
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler import grouped, winograd

pytestmark = pytest.mark.compiles

FAMILIES = [name for name, block in BLOCKS.items() if block.cls.__module__.startswith("blockfront.blocks")]


def network(family):
    return CnnNetwork(
        resolution=32,
        num_classes=10,
        stem=Stem(width=16, stride=2),
        stages=(StageSpec.of(family, 2, 24, 2), StageSpec.of(family, 1, 32, 1)),
        head=Head(width=0),
    )


def compiled_macs(family):
    program = compile_model(deploy(network(family).build()), Signature.image(32), get_target("rk3399"), seed=0)
    assert program.unscheduled_kernels == ()
    assert program.max_rel_error <= 1e-4
    return sum(kernel.macs * kernel.calls for kernel in program.kernels)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_kernel_of_any_family_is_left_unscheduled_and_its_macs_are_the_networks(family, monkeypatch):
    monkeypatch.setattr(winograd, "best_tile", lambda *_: None)
    monkeypatch.setattr(grouped, "padded_columns", lambda columns, *_: columns)
    assert compiled_macs(family) == network(family).cost.macs


def test_groups_padded_to_whole_vectors_compute_a_little_more_than_the_network():
    macs = network("shufflenet_v1").cost.macs
    assert macs < compiled_macs("shufflenet_v1") < 1.1 * macs


@pytest.mark.parametrize("family", ["er", "basic", "bottleneck", "fire"])
def test_winograd_leaves_between_a_quarter_and_all_of_a_networks_macs(family, monkeypatch):
    monkeypatch.setattr(winograd, "fastest_tile", lambda *_: 4)
    macs = network(family).cost.macs
    assert macs / 4 <= compiled_macs(family) < macs
