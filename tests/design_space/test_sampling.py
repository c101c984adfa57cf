from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from blockfront.design_space import DesignSpace, Stage, choice, integer, load_space
from blockfront.errors import UsageError

SMALL = DesignSpace(
    "small",
    resolution=16,
    num_classes=10,
    stem=8,
    family=choice("ds", "ghost"),
    stages=[
        Stage(depth=integer(1, 3), width=integer(8, 64, step=8), stride=2, kernel=choice(3, 5)),
        Stage(depth=integer(1, 3), width=integer(8, 64, step=8), expansion=choice(2, 3)),
    ],
)
SIX = DesignSpace("six", resolution=8, stem=8, family="ds", stages=[Stage(integer(1, 2), choice(8, 16, 24))])
GOLDEN = ["cd1f4c81e5d5", "4ed021914b79", "6c77337b6a44", "db48df7f7419"]


def ids(space: DesignSpace, seed: int, n: int) -> list[str]:
    return [space.sample(seed, index).id for index in range(n)]


def fresh(space: DesignSpace) -> DesignSpace:
    return replace(space)


def test_the_same_networks_come_out_everywhere() -> None:
    assert ids(SMALL, 0, 4) == GOLDEN


@pytest.mark.processes
def test_another_process_with_other_hashing_samples_the_same() -> None:
    code = (
        "from blockfront.design_space import load_space; s = load_space('mobile', 32, 10);"
        "print(*[s.sample(3, i).id for i in range(5)])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert output.stdout.split() == ids(load_space("mobile", 32, 10), 3, 5)


def test_one_index_alone_is_that_of_a_whole_run() -> None:
    whole = ids(SMALL, 5, 18)
    assert fresh(SMALL).sample(5, 17).id == whole[17]
    assert fresh(SMALL).sample(5, 3).id == whole[3]


def test_a_numpy_integer_is_the_same_seed() -> None:
    assert fresh(SMALL).sample(np.int64(5), np.int64(2)) == SMALL.sample(5, 2)


def test_networks_of_a_seed_are_distinct_and_seeds_differ() -> None:
    first, second = ids(SMALL, 0, 60), ids(SMALL, 1, 60)
    assert len(set(first)) == 60
    assert first != second


def test_another_dimension_moves_no_other_value() -> None:
    wider = replace(SMALL, head=choice(16, 32), stem=choice(8, 16))
    for index in range(10):
        before, after = SMALL.sample_values(2, index)[0], wider.sample_values(2, index)[0]
        assert before.items() <= after.items()


def test_the_values_give_the_network_again() -> None:
    for index in range(10):
        values, network = SMALL.sample_values(0, index)
        assert SMALL.network(values) == network


def test_an_option_is_sampled_only_for_blocks_that_take_it() -> None:
    for index in range(20):
        values, network = SMALL.sample_values(0, index)
        assert ("stage2.expansion" in values) == (network.family == "ghost")


def test_every_value_of_a_dimension_is_about_equally_likely() -> None:
    depths = Counter(SMALL.sample_values(0, index)[0]["stage1.depth"] for index in range(300))
    # Binomial(300, 1/3) is within 75 and 125 with probability 0.998; the draws never change.
    assert set(depths) == {1, 2, 3}
    assert all(75 <= count <= 125 for count in depths.values())


def test_constraints_hold_for_every_network() -> None:
    space = replace(SMALL, constraints={"macs": (50e3, 200e3), "params": (2000, 20000), "activations": (0, 30000)})
    for index in range(25):
        cost = space.sample(0, index).cost
        assert 50e3 <= cost.macs <= 200e3
        assert 2000 <= cost.params <= 20000
        assert cost.activations <= 30000


def test_a_constraint_starves_no_family() -> None:
    light = replace(SMALL, constraints={"macs": (0, 120e3)})
    heavy = replace(SMALL, constraints={"macs": (120e3, 1e9)})
    families = [SMALL.sample_values(0, index)[0]["family"] for index in range(30)]
    for space in (light, heavy):
        assert [space.sample_values(0, index)[0]["family"] for index in range(30)] == families


def test_a_family_that_no_constraint_admits_gives_way_to_the_others() -> None:
    space = replace(
        SMALL,
        family=choice("er", "ds"),
        constraints={"macs": (0, 30e3)},
        stages=[Stage(1, choice(8, 16, 24), stride=2), Stage(1, choice(8, 16, 24))],
    )
    assert {space.sample(0, index).family for index in range(5)} == {"ds"}


def test_an_impossible_constraint_says_which_and_how_close_samples_came() -> None:
    space = replace(SMALL, constraints={"macs": (1, 2), "params": (0, 1e9)})
    with pytest.raises(
        UsageError, match=r"'small': none of \d+ networks met macs 1 to 2 \(they had [\d,]+ to [\d,]+\)"
    ) as error:
        space.sample(0, 0)
    assert "params" not in str(error.value)


def test_constraints_that_exclude_each_other_are_both_named() -> None:
    costs = [network.cost for _, network in SIX.enumerate()]
    middle = sorted(cost.params for cost in costs)[2]
    space = replace(
        SIX,
        constraints={
            "params": (0, middle),
            "macs": (max(cost.macs for cost in costs if cost.params <= middle) + 1, 1e9),
        },
    )
    with pytest.raises(UsageError, match=r"params.*and macs"):
        space.sample(0, 0)


def test_a_small_space_gives_all_its_networks_and_then_says_so() -> None:
    assert len(set(ids(SIX, 0, 6))) == 6
    assert set(ids(SIX, 0, 6)) == {network.id for _, network in SIX.enumerate()}
    with pytest.raises(UsageError, match="'six' has only 6 networks; ask for no more"):
        SIX.sample(0, 6)


def test_networks_that_chance_misses_are_found_in_a_small_space() -> None:
    space = replace(SIX, stages=[Stage(integer(1, 9), integer(8, 400, step=8))])
    assert len(set(ids(space, 0, 450))) == 450
    with pytest.raises(UsageError, match="only 450 networks"):
        space.sample(0, 450)


def test_a_small_space_counts_only_what_its_constraints_admit() -> None:
    limit = sorted(network.cost.params for _, network in SIX.enumerate())[3]
    space = replace(SIX, constraints={"params": (0, limit)})
    assert len(set(ids(space, 0, 4))) == 4
    with pytest.raises(UsageError, match="only 4 networks that meet its constraints"):
        space.sample(0, 4)


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(UsageError, match="index is at least 0"):
        SIX.sample(0, -1)
