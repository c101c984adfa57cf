"""The network to take, against a search of all of them, and what is said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from blockfront.analysis import Choice, Objectives, answer_lines, choose_network, tidy
from blockfront.errors import UsageError


def _table(*rows: tuple[str, float, float | None], **columns: object) -> pd.DataFrame:
    names, costs, values = zip(*rows, strict=True)
    shared = {"state": "complete", "target": "rpi5", "threads": 4, "latency_source": "predicted", "runner": "emulated"}
    given = {"accuracy_source": ["published" if value is not None else None for value in values], "resolution": 224}
    known = {"network": [f"known_3x224x224/{name}" for name in names], "network_id": names, "family": "resnet"}
    return pd.DataFrame(
        {**known, **shared, **given, "dataset": "ImageNet", "latency_ms": costs, "top1": values, **columns}
    )


STUDY = _table(
    ("a", 10.0, 0.70),
    ("b", 20.0, 0.75),
    ("c", 25.0, 0.752),
    ("d", 40.0, 0.80),
    ("e", 5.0, None),
    test_images=50_000,
)


def _ids(choice: Choice) -> list[str | None]:
    rows = (choice.best, choice.runner_up, choice.faster, choice.nearest)
    return [None if row is None else row["network_id"] for row in rows]


@pytest.mark.parametrize(
    ("budget", "ids"),
    [
        (np.inf, ["d", "c", None, None]),
        (40, ["d", "c", None, None]),
        (39.9, ["c", "b", "b", "d"]),
        (15, ["a", None, None, "b"]),
        (5, [None, None, None, "a"]),
    ],
)
def test_the_answer_is_the_most_accurate_within_the_budget(budget, ids):
    assert _ids(choose_network(STUDY, budget)) == ids


def test_of_equal_accuracy_the_faster_is_taken():
    assert _ids(choose_network(_table(("slow", 9, 0.7), ("fast", 3, 0.7))))[:2] == ["fast", "slow"]


def test_a_random_table_has_no_better_network_within_the_budget():
    draw = np.random.default_rng(0)
    rows = [(f"n{i}", float(draw.uniform(1, 50)), float(draw.uniform(0.5, 0.9))) for i in range(60)]
    for budget in (2.0, 10.0, 60.0):
        choice = choose_network(_table(*rows), budget)
        fitting = [row for row in rows if row[1] <= budget]
        assert choice.within == len(fitting)
        assert _ids(choice)[0] == max(fitting, key=lambda row: row[2], default=(None,))[0]


def test_without_accuracy_the_fastest_comes_first_and_that_is_said():
    table = tidy(_table(("a", 3, None), ("b", 2, None), ("c", 9, None)))
    choice = choose_network(table, 5)
    assert (_ids(choice), choice.by_value) == (["b", "a", None, "c"], False)
    first, *others = answer_lines(choice, table, 5)
    assert first == "b is the fastest of 3 networks within 5 ms on rpi5, 4 threads: 2.00 ms (predicted by emulated)."
    assert "Ranked by latency, because no accuracy is known; give one with --accuracy." in others
    assert "2 of them run within 5 ms." in others


def test_the_first_line_is_the_answer_with_intervals_and_sources():
    table = tidy(
        STUDY.assign(predicted90_low_ms=STUDY["latency_ms"] * 0.7, predicted90_high_ms=STUDY["latency_ms"] * 2)
    )
    assert answer_lines(choose_network(table, 30), table, 30) == [
        "c is the most accurate of 5 networks within 30 ms on rpi5, 4 threads: 75.2 % top-1 (published: ImageNet, "
        "95 % interval 74.8 to 75.6) in 25.0 ms (predicted by emulated, 90 % of such lie in 17.5 to 50 ms).",
        "Its interval reaches to 50.0 ms, above the budget: measure it before you rely on it.",
        "Runner-up: b, 75.0 % in 20.0 ms.",
        "As accurate, within its 95 % interval, and faster: b, 75.0 % in 20.0 ms.",
        "Nearest above the budget: d, 80.0 % in 40.0 ms.",
        "Left out of this, because their accuracy is not known: 1 network.",
    ]


def test_a_budget_is_of_the_whole_way_to_boxes_where_that_is_known():
    after = {"c": 8.0}
    frame = STUDY.assign(total_ms=STUDY["latency_ms"] + STUDY["network_id"].map(after).fillna(1.0))
    table, objectives = tidy(frame.assign(predicted90_high_ms=frame["latency_ms"] * 2)), Objectives("total_ms", "top1")
    choice = choose_network(table, 30, objectives)
    assert (_ids(choice)[0], choice.nearest["network_id"]) == ("b", "c")
    lines = answer_lines(choice, table, 30, objectives)
    assert "in 21.0 ms from image to boxes, of which its latency is 20.0 ms (predicted" in lines[0]
    assert lines[1].startswith("Its interval reaches to 41.0 ms, above the budget")
    assert "Nearest above the budget: c, 75.2 % in 33.0 ms." in lines


def test_nothing_within_the_budget_is_said_with_the_nearest():
    table = tidy(STUDY)
    assert answer_lines(choose_network(table, 1), table, 1)[:2] == [
        "None of 5 networks within 1 ms on rpi5, 4 threads.",
        "Nearest above the budget: a, 70.0 % in 10.0 ms.",
    ]


def test_accuracies_of_two_sources_are_never_ranked_as_one():
    mixed = STUDY.assign(accuracy_source=["published", "file", "published", "published", None])
    with pytest.raises(UsageError, match=r"mix accuracy sources \(file, published\)"):
        choose_network(mixed)
    choose_network(mixed[mixed["accuracy_source"] == "file"])
