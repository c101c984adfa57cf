from __future__ import annotations

import json
from dataclasses import replace

import optuna
import pytest

from blockfront.blocks import Scalar
from blockfront.design_space import DesignSpace, Dimension, Stage, choice, integer
from blockfront.errors import UsageError

SPACE = DesignSpace(
    "mine",
    resolution=choice(32, 48),
    num_classes=10,
    stem=integer(8, 16, step=8),
    family=choice("ir", "ghost", "shufflenet_v2"),
    stages=[
        Stage(depth=integer(1, 3), width=integer(16, 32, step=8), stride=2),
        Stage(
            depth=integer(1, 2),
            width=integer(32, 64, step=8),
            stride=choice(1, 2),
            kernel=choice(3, 5),
            expansion=choice(3, 4),
        ),
    ],
    head=choice(0, 64),
    head_act=choice("relu", "hardswish"),
)

WITHOUT_KERNEL: dict[str, Scalar] = {
    "resolution": 32,
    "stem": 8,
    "family": "shufflenet_v2",
    "stage1.depth": 1,
    "stage1.width": 16,
    "stage2.depth": 1,
    "stage2.width": 32,
    "stage2.stride": 2,
    "head": 0,
}


def test_an_integer_takes_both_ends() -> None:
    assert integer(2, 5) == choice(2, 3, 4, 5)
    assert integer(16, 32, step=8) == choice(16, 24, 32)
    assert integer(16, 30, step=8) == choice(16, 24)


@pytest.mark.parametrize("bounds", [(3, 2, 1), (1, 2, 0), (1.0, 2, 1), (1, "2", 1)])
def test_an_integer_without_values_is_refused(bounds: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="needs whole numbers"):
        integer(*bounds)


@pytest.mark.parametrize("values", [(), (1, 1), (1, 1.0), (None,), ([3],), (float("nan"),), (float("inf"),)])
def test_a_choice_of_nothing_or_of_no_scalars_is_refused(values: tuple[Scalar, ...]) -> None:
    with pytest.raises(UsageError, match="choice"):
        choice(*values)


def test_true_and_one_are_different_choices() -> None:
    assert choice(True, 1).values == (True, 1)


def test_a_mixed_network_has_a_block_a_stage() -> None:
    space = replace(
        SPACE,
        family=None,
        stages=[
            Stage(1, 16, block=choice("ir", "fire"), expansion=choice(2, 3)),
            Stage(1, 16, block="ghost"),
        ],
    )
    values, network = space.sample_values(0, 0)
    assert network.stages[0].block == values["stage1.block"]
    assert network.stages[1].block == "ghost"
    assert network.family == "mixed"
    assert "family" not in values


def test_a_stages_block_overrides_the_family() -> None:
    space = replace(SPACE, stages=[Stage(1, 16, block="basic"), Stage(1, 16)])
    assert space.network({"resolution": 32, "stem": 8, "family": "ir", "head": 0}).stages[0].block == "basic"


def test_the_multiplier_scales_widths_to_multiples_of_eight() -> None:
    space = replace(SPACE, stages=[Stage(1, 24), Stage(1, 40)], multiplier=choice(0.5, 2))
    values: dict[str, Scalar] = {"resolution": 32, "stem": 8, "family": "ir", "head": 0}
    assert [stage.width for stage in space.network({**values, "multiplier": 2}).stages] == [48, 80]
    assert [stage.width for stage in space.network({**values, "multiplier": 0.5}).stages] == [16, 24]


def test_optunas_samplers_suggest_the_same_space() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask()
        network = SPACE.suggest(trial)
        assert SPACE.network(trial.params) == network
        assert ("stage2.kernel" in trial.params) == (network.family != "shufflenet_v2")
        assert ("head_act" in trial.params) == (network.head.width > 0)
        study.tell(trial, 0.0)


def test_a_genetic_sampler_can_search_it() -> None:
    study = optuna.create_study(
        directions=["minimize"] * 2, sampler=optuna.samplers.NSGAIISampler(population_size=8, seed=0)
    )
    study.optimize(lambda trial: (float((cost := SPACE.suggest(trial).cost).macs), float(-cost.params)), n_trials=24)
    assert len(study.best_trials) >= 1


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "needs a value for 'resolution'"),
        ({"resolution": 33}, "'resolution' .* cannot be 33"),
        (WITHOUT_KERNEL | {"stage2.kernel": 3}, "has no use for stage2.kernel"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict[str, Scalar], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        SPACE.network(values)


def test_broken_names_the_constraints_a_network_breaks() -> None:
    network = SPACE.sample(0, 0)
    tight = replace(SPACE, constraints={"macs": (0, 10), "params": (0, 1e9)})
    assert tight.broken(network) == ("macs",)
    assert SPACE.broken(network) == ()


def test_the_definition_is_json_and_complete() -> None:
    definition = json.loads(json.dumps(SPACE.definition()))
    assert definition["name"] == "mine"
    assert definition["resolution"] == {"choice": [32, 48]}
    assert definition["num_classes"] == 10
    assert definition["stages"][1]["options"] == {
        "kernel": {"choice": [3, 5]},
        "expansion": {"choice": [3, 4]},
    }


CHANGES: list[dict[str, object]] = [
    {"resolution": 32},
    {"num_classes": 11},
    {"stem": 8},
    {"stem_kernel": 5},
    {"stem_stride": 1},
    {"stem_act": "relu6"},
    {"stem_pool": True},
    {"family": "ir"},
    {"stages": SPACE.stages[1:]},
    {"multiplier": 2},
    {"head": 0},
    {"head_act": "relu"},
    {"constraints": {"macs": (0, 1e9)}},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_change_changes_the_hash(change: dict[str, object]) -> None:
    assert replace(SPACE, **change).hash != SPACE.hash  # type: ignore[arg-type]


def test_the_name_is_no_part_of_the_hash() -> None:
    assert replace(SPACE, name="yours").hash == SPACE.hash
    assert len(SPACE.hash) == 12


def test_with_input_replaces_only_what_is_given() -> None:
    assert SPACE.with_input(num_classes=7).resolution == SPACE.resolution
    assert SPACE.with_input(64, 7) == replace(SPACE, resolution=64, num_classes=7)
    assert isinstance(SPACE.with_input().resolution, Dimension)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"stages": []}, "at least one Stage"),
        ({"family": None}, "stage 1 has no block"),
        ({"family": choice("ir", "gohst")}, "unknown block 'gohst'; did you mean ghost"),
        ({"stages": [Stage(1, 8, block="fre")]}, "unknown block 'fre'; did you mean fire"),
        (
            {"stages": [Stage(1, 8), Stage(1, 8, kernal=3)]},
            r"no block of stage 2 .* takes option 'kernal'; they take .*kernel",
        ),
        ({"stages": [Stage(1, 8, kernel="big")]}, "'kernel' of block 'ir' is of type int"),
        ({"stages": [Stage(integer(0, 2), 8)]}, "depth of stage 1"),
        ({"stages": [Stage(1, 8.5)]}, "width of stage 1"),
        ({"stages": [Stage(1, 8, stride=3)]}, "stride of stage 1"),
        ({"resolution": "224"}, "resolution is a whole number"),
        ({"stem": 0}, "stem is a whole number of at least 1"),
        ({"multiplier": 0}, "multiplier is a number above 0"),
        ({"constraints": {"mac": (0, 1)}}, "unknown constraint 'mac'; did you mean macs"),
        ({"constraints": {"latency": (0, 1)}}, "did you mean latency_ms"),
        ({"constraints": {"macs": (2, 1)}}, "low <= high"),
        ({"constraints": {"latency_ms": 33}}, "low <= high, not 33"),
    ],
)
def test_a_space_that_cannot_be_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        replace(SPACE, **change)  # type: ignore[arg-type]


def test_strides_that_leave_nothing_are_refused_when_sampled() -> None:
    with pytest.raises(UsageError, match="strides of 8 in all leave nothing of 4 pixels"):
        replace(SPACE, resolution=4, stages=[Stage(1, 8, stride=2), Stage(1, 8, stride=2)]).sample(0, 0)
