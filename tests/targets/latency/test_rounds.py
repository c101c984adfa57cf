"""The order of visits."""

from blockfront.results.latency import Visit
from blockfront.targets.latency.rounds import VISITS, Rounds


def test_everybody_is_visited_once_a_round_in_orders_that_the_seed_decides():
    names = [f"network {i}" for i in range(8)]
    order = list(Rounds(names, seed=1))
    rounds = [order[i : i + len(names)] for i in range(0, len(order), len(names))]
    assert len(rounds) == VISITS
    assert [sorted(one) for one in rounds] == [names] * VISITS
    assert len({tuple(one) for one in rounds}) == VISITS
    assert order == list(Rounds(names, seed=1)) != list(Rounds(names, seed=2))


def test_who_is_given_up_is_visited_no_more_and_what_still_comes_of_it_is_left_out():
    rounds, seen = Rounds("abc", seed=0), []
    for key in rounds:
        seen.append(key)
        if key == "b":
            assert rounds.give_up("b")
            assert not rounds.give_up("b")
            rounds.keep("b", Visit("late", (1.0,)))
        else:
            rounds.keep(key, Visit(f"visit {len(seen)}", (1.0,)))
    assert seen.count("b") == 1
    assert {key: len(visits) for key, visits in rounds.visits.items()} == {"a": VISITS, "c": VISITS}
