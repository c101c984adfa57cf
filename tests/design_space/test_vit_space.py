"""Spaces of vision transformers: what they draw, and what they refuse."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import optuna
import pytest

from blockfront.design_space import Network, Reduction, TransformerSpace, VitNetwork, choice, integer, load_space
from blockfront.errors import UsageError

SPACE = TransformerSpace(
    "mine",
    resolution=32,
    num_classes=10,
    patch=choice(4, 8),
    depth=integer(3, 6),
    width=choice(32, 64),
    head_width=choice(16, 32),
    mlp_ratio=choice(2, 2.5),
    reductions=[Reduction("none"), Reduction("tome", r=integer(1, 4), proportional=choice(True, False))],
)
FAMILIES = ("vit", "vit_cropr", "vit_evit", "vit_ltmp", "vit_random", "vit_tome")


@pytest.mark.parametrize("resolution", [28, 32, 224])
def test_the_preset_draws_as_many_distinct_networks_of_each_family_within_its_macs(resolution: int) -> None:
    space = load_space("vit", resolution, 10)
    networks = [space.sample(0, index) for index in range(24)]
    assert Counter(network.family for network in networks) == dict.fromkeys(FAMILIES, 4)
    assert len({network.id for network in networks}) == 24
    pixels = (resolution / 224) ** 2
    assert all(100e6 * pixels <= network.cost.macs <= 2.5e9 * pixels for network in networks)
    patches = {(resolution // network.patch) ** 2 for network in networks if isinstance(network, VitNetwork)}
    assert patches == {28: {49}, 32: {64}, 224: {196, 256}}[resolution]


def test_the_same_networks_come_out_everywhere() -> None:
    assert [SPACE.sample(0, index).id for index in range(3)] == ["4d9ad19f19a1", "4d5d702746ff", "231c5aac71ec"]
    assert replace(SPACE).sample(0, 2) == SPACE.sample(0, 2)


def test_the_values_give_the_network_again_and_only_reduced_ones_have_options_of_theirs() -> None:
    for index in range(10):
        values, network = SPACE.sample_values(0, index)
        assert SPACE.network(values) == network
        assert ("tome.r" in values) == (network.family == "vit_tome")


def test_optunas_samplers_suggest_the_same_space() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        trial = study.ask()
        network = SPACE.suggest(trial)
        assert SPACE.network(trial.params) == network
        study.tell(trial, 0.0)


def test_a_space_of_constants_is_one_network() -> None:
    space = TransformerSpace("deit_tiny")
    assert [network for _, network in space.enumerate()] == [Network.parse("vit_224_n1000/p16_d12_w192_h3_m4")]


@pytest.mark.parametrize(
    "change",
    [
        {"patch": 4},
        {"depth": 4},
        {"width": 64},
        {"head_width": 32},
        {"mlp_ratio": 2},
        {"reductions": SPACE.reductions[:1]},
        {"constraints": {"macs": (0, 1e9)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_change_changes_the_hash(change: dict[str, object]) -> None:
    assert replace(SPACE, **change).hash != SPACE.hash  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"patch": choice(4, 5)}, "every resolution is a multiple of every patch, and 32 is none of 5"),
        ({"width": choice(32, 48)}, "every width is a multiple of every head_width, and 48 is none of 32"),
        ({"depth": integer(0, 3)}, "depth is a whole number of at least 1"),
        ({"mlp_ratio": 0}, "mlp_ratio is a number above 0"),
        ({"reductions": []}, "needs at least one Reduction"),
        ({"reductions": [Reduction("tome", r=2), Reduction("tome", r=4)]}, "two reductions 'tome'"),
        ({"reductions": [Reduction("tome", r=choice(2, 2.5))]}, "option 'r' of tome cannot be 2.5"),
        ({"reductions": [Reduction("croppr", r=2)]}, "unknown token reduction method 'croppr'; did you mean cropr"),
        ({"reductions": [Reduction("none", r=2)]}, "no reduction takes no options, not r"),
        ({"constraints": {"mac": (0, 1)}}, "unknown constraint 'mac'; did you mean macs"),
    ],
)
def test_a_space_that_cannot_be_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        replace(SPACE, **change)  # type: ignore[arg-type]


def test_an_input_that_no_patch_divides_is_refused() -> None:
    with pytest.raises(UsageError, match="no patch divides 31 pixels into 7 to 10 a side"):
        load_space("vit", 31, 10)
    with pytest.raises(UsageError, match="30 is none of 4"):
        SPACE.with_input(30)
