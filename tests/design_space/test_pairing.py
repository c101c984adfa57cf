"""Networks drawn in groups of one skeleton, each family's block in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blockfront.design_space import (
    DesignSpace,
    Network,
    Reduction,
    Stage,
    TransformerSpace,
    choice,
    integer,
    load_space,
)
from blockfront.errors import UsageError

SMALL = DesignSpace(
    "small",
    resolution=16,
    num_classes=10,
    stem=choice(8, 16),
    family=choice("ds", "ghost", "ir"),
    stages=[
        Stage(depth=integer(1, 3), width=integer(8, 64, step=8), stride=2, kernel=choice(3, 5)),
        Stage(depth=integer(1, 3), width=integer(8, 64, step=8), expansion=choice(2, 3)),
    ],
)


def _drawn(space, n: int, seed: int = 0) -> list[tuple[dict, Network]]:
    fresh = replace(space)
    return [fresh.sample_values(seed, index, paired=True) for index in range(n)]


def test_a_group_has_each_family_once_in_one_skeleton() -> None:
    drawn = _drawn(SMALL, 12)
    assert len({network.id for _, network in drawn}) == 12
    orders = set()
    for first in range(0, 12, 3):
        members = drawn[first : first + 3]
        orders.add(tuple(network.family for _, network in members))
        assert {network.family for _, network in members} == {"ds", "ghost", "ir"}
        shapes = {tuple((stage.depth, stage.width, stage.stride) for stage in one.stages) for _, one in members}
        assert len(shapes) == 1
        assert len({one.stem for _, one in members}) == 1
    assert len(orders) > 1, "families take turns in another order in each group"


def test_options_of_one_name_have_one_value_and_others_only_where_they_are_used() -> None:
    for first in range(0, 30, 3):
        values = {network.family: values for values, network in _drawn(SMALL, 30)[first : first + 3]}
        assert "stage2.expansion" not in values["ds"]
        for one in values.values():
            assert all(values["ir"].get(name, value) == value for name, value in one.items() if name != "family")


def test_one_index_alone_is_that_of_a_whole_run_and_pairs_change_no_other_network() -> None:
    whole = _drawn(SMALL, 9)
    assert replace(SMALL).sample(0, 7, paired=True).id == whole[7][1].id
    space = replace(SMALL)
    alone = [space.sample(0, index).id for index in range(6)]
    space.sample(0, 5, paired=True)
    assert [space.sample(0, index).id for index in range(6)] == alone == [SMALL.sample(0, i).id for i in range(6)]


def test_the_values_give_the_network_again() -> None:
    for values, network in _drawn(SMALL, 6):
        assert SMALL.network(values) == network


def test_only_what_fits_blocks_to_constraints_differs_within_a_group() -> None:
    space = load_space("mobile", 32, 10)
    low, high = space.constraints["macs"]
    drawn = _drawn(space, 24)
    for first in (0, 12):
        members = drawn[first : first + 12]
        assert all(low <= network.cost.macs <= high for _, network in members)
        shared = [{k: v for k, v in values.items() if "." in k or k in ("stem", "head")} for values, _ in members]
        union: dict = {}
        for one in shared:
            assert all(union.setdefault(name, value) == value for name, value in one.items())
        assert len({values["multiplier"] for values, _ in members}) > 1


def test_a_member_takes_the_first_value_that_fits_in_an_order_they_share() -> None:
    free = replace(SMALL, multiplier=choice(0.5, 1, 2))
    for first in range(0, 15, 3):
        assert len({values["multiplier"] for values, _ in _drawn(free, 15)[first : first + 3]}) == 1


def test_transformers_share_all_but_their_reduction() -> None:
    reductions = [Reduction("none"), Reduction("tome", r=integer(1, 4)), Reduction("evit", keep=choice(0.5, 0.7))]
    sizes = {"patch": 4, "depth": choice(2, 4), "width": choice(64, 96), "head_width": 32}
    space = TransformerSpace("tiny", resolution=32, num_classes=10, reductions=reductions, **sizes)
    members = [network for _, network in _drawn(space, 3)]
    assert {one.family for one in members} == {"vit", "vit_tome", "vit_evit"}
    assert len({(one.depth, one.width, one.heads, one.mlp_ratio) for one in members}) == 1


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        (replace(SMALL, family="ir"), "has no families to put into one skeleton"),
        (
            replace(SMALL, stages=[*SMALL.stages, Stage(1, 8, block=choice("ds", "ir"))]),
            "gives stages blocks of their own",
        ),
        (
            replace(SMALL, constraints={"macs": (0, 40_000)}),
            r"there is none of which every family's network meets the constraints; the first that does not is \w+ in",
        ),
        (replace(SMALL, stem=8, stages=[Stage(1, 8)]), "is new"),
    ],
)
def test_what_cannot_be_paired_says_why(space, reason) -> None:
    with pytest.raises(UsageError, match=reason):
        _drawn(space, 30)
