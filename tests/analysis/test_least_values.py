"""A value that is to be small: everything is as for one that is to be large, the other way round."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockfront.analysis import (
    Objectives,
    accuracy_levels,
    best_at_budgets,
    best_within,
    compare_targets,
    comparison_sentences,
    family_table,
    front,
    headline,
    lead,
    plot_edf,
    plot_front,
    render_comparison,
    render_report,
    speedups,
    study_box,
)
from blockfront.results import COLUMNS, Metric, add_columns, score_columns

NUMBERS = st.one_of(st.integers(0, 6).map(float), st.just(math.nan))


@pytest.fixture(autouse=True)
def _metric(own_registries: Callable[..., None]) -> None:
    own_registries(COLUMNS)
    metric = Metric("miss", "mean miss", "px", "minimize", noun="miss", digits=4)
    add_columns(*score_columns("px", "mean distance from the truth", metric))


@pytest.fixture
def least() -> Objectives:
    return Objectives("latency_ms", "miss")


@pytest.fixture
def missing(study: pd.DataFrame) -> pd.DataFrame:
    """The study with what its accuracy lacks of 1 as another metric, which is to be small."""
    ends = {"miss_ci95_low": 0.9 - study["top1"], "miss_ci95_high": 1.1 - study["top1"]}
    return study.assign(miss=1 - study["top1"], **ends)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20))
def test_the_front_equals_the_definition_by_brute_force(points: list[tuple[float, float]]) -> None:
    """On the front is who is dominated by nobody: no other is as cheap and as near, and cheaper or nearer."""
    finite = [(cost, miss) for cost, miss in points if math.isfinite(cost) and math.isfinite(miss)]
    expected = [
        (cost, miss)
        for cost, miss in finite
        if not any((a <= cost and b <= miss) and (a < cost or b < miss) for a, b in finite)
    ]
    rows = pd.DataFrame(points, columns=["latency_ms", "miss"])
    rows["network_id"] = [f"{number:03}" for number in range(len(points))]
    found = front(rows, "latency_ms", "miss")
    assert list(zip(found["latency_ms"], found["miss"], strict=True)) == sorted(expected)


def test_families_lead_by_as_much(missing: pd.DataFrame, least: Objectives) -> None:
    table, plain = family_table(missing, least, draws=50), family_table(missing, draws=50)
    pd.testing.assert_frame_equal(table, plain)
    assert table["on_front"].sum() == len(front(missing, "latency_ms", "miss"))
    box = study_box(missing, least)
    assert (box.value, box.ideal_value) == (missing["miss"].max(), missing["miss"].min())
    assert box.area == pytest.approx(study_box(missing).area)


def test_the_best_within_a_budget_misses_least(missing: pd.DataFrame, least: Objectives) -> None:
    within = missing[missing["latency_ms"] <= 10]
    assert best_within(missing, 10, least)["miss"] == within["miss"].min()
    found, plain = best_at_budgets(missing, [10.0], least, draws=50), best_at_budgets(missing, [10.0], draws=50)
    assert found["network_id"].tolist() == plain["network_id"].tolist()
    np.testing.assert_allclose(found["value"], 1 - plain["value"])
    np.testing.assert_allclose(found["value_low"], 1 - plain["value_high"])
    np.testing.assert_allclose(found["value_high"], 1 - plain["value_low"])
    assert (found["value_low"].dropna() <= found["value_high"].dropna()).all()


def test_a_lead_is_how_much_less_it_misses(missing: pd.DataFrame, least: Objectives) -> None:
    found, plain = lead(missing, 10, least, draws=50), lead(missing, 10, draws=50)
    assert found is not None
    assert plain is not None
    assert (found.family, found.runner_up, found.leads) == (plain.family, plain.runner_up, plain.leads)
    assert found.margin == pytest.approx(plain.margin)
    assert found.margin == pytest.approx(found.runner_up_value - found.value)
    assert (found.margin_low, found.margin_high) == pytest.approx((plain.margin_low, plain.margin_high))


def test_speedups_are_at_an_equal_miss(missing: pd.DataFrame, least: Objectives) -> None:
    levels = accuracy_levels(missing, least)
    assert list(levels) == sorted(levels, reverse=True)
    assert levels == pytest.approx([1 - level for level in accuracy_levels(missing)])
    pd.testing.assert_frame_equal(speedups(missing, least, draws=20), speedups(missing, draws=20))


def test_the_headline_says_less_where_little_is_good(missing: pd.DataFrame, least: Objectives) -> None:
    said = " ".join(headline(missing, least, draws=50))
    assert " px less than " in said
    assert "more than" not in said
    best = front(missing, "latency_ms", "miss")
    assert f"to {best['miss'].iloc[-1]:.4g}"[:8] in said


def test_pages_say_that_down_is_better(missing: pd.DataFrame, least: Objectives) -> None:
    page = render_report(missing, objectives=least)
    assert "Down and to the left is better" in page
    assert "A 95 % interval over the test images. It covers the finite test set, not the training" in page
    assert "Wilson" not in page.split("Miss</dt>")[1].split("</dd>")[0]
    comparison = compare_targets({"a": missing, "b": missing.assign(study="b")}, least, draws=20)
    assert "at equal miss" in comparison_sentences(comparison)[0]
    assert "Down and left is better" in render_comparison(comparison)


def test_a_figure_begins_without_the_few_that_miss_by_far(missing: pd.DataFrame) -> None:
    missing.loc[0, "miss"] = 50.0
    figure = plot_front(missing, "latency_ms", "miss")
    low, high = figure.layout.yaxis.range
    assert low < missing["miss"].min() < high < 50
    note = f"{(missing['miss'] > high).sum()} networks lie above: double-click to see all"
    assert [annotation.text for annotation in figure.layout.annotations] == [note]


def test_a_value_that_is_to_be_small_is_an_error_itself(missing: pd.DataFrame, least: Objectives) -> None:
    errors, plain = plot_edf(missing, least), plot_edf(missing)
    np.testing.assert_allclose(errors.data[0].x, np.array(plain.data[0].x) / 100)
    assert errors.layout.xaxis.title.text == "mean miss on digits (px)"
