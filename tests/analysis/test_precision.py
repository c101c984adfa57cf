"""Number formats of the same networks, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from blockfront.analysis import compare_targets, comparison_sentences, plot_front, render_report
from blockfront.analysis.precision import (
    compare_precisions,
    precision_gains,
    precision_pairs,
    precision_sentences,
)

ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9)


def study(precision: str, costs: dict[str, float], loss: float = 0.0, target: str = "t") -> pd.DataFrame:
    """Five networks of each family, whose latency is its cost times 1 to 5, each less accurate by `loss`."""
    rows = [
        {
            "study": precision,
            "state": "complete",
            "network_id": f"{family}{i}",
            "family": family,
            "target": target,
            "precision": precision,
            "toolchain": "tvm",
            "latency_source": "measured",
            "latency_ms": cost * (i + 1),
            "top1": top1 - loss,
            "accuracy_source": "trained",
            "dataset": "digits",
            "test_images": 1000,
        }
        for family, cost in costs.items()
        for i, top1 in enumerate(ACCURACIES)
    ]
    return pd.DataFrame(rows)


PLAIN = study("float32", {"conv": 2.0, "vit": 1.5})
INT8 = study("int8", {"conv": 1.0, "vit": 1.5})
HALF = study("float16", {"conv": 1.6, "vit": 0.9})


def test_a_family_that_takes_half_as_long_gains_two_and_one_that_takes_as_long_nothing():
    gains = precision_gains(PLAIN, INT8).set_index("family")
    assert gains.loc["conv", "gain"] == pytest.approx(2)
    assert gains.loc["vit", "gain"] == pytest.approx(1)
    assert gains.loc["conv", "gain_low"] <= 2 <= gains.loc["conv", "gain_high"]
    assert tuple(gains.loc["conv", ["place_before", "place_after"]]) == (2, 1)
    assert tuple(gains.loc["vit", ["place_before", "place_after"]]) == (1, 2)


def test_accuracy_that_int8_costs_is_paid_in_latency():
    """Of networks a step of accuracy worse the next larger one is needed, so that less than half is saved."""
    worse = study("int8", {"conv": 1.0, "vit": 1.5}, loss=0.1)
    gains = precision_gains(PLAIN, worse).set_index("family")
    assert 1 < gains.loc["conv", "gain"] < 2
    assert gains.loc["vit", "gain"] < 1


def test_only_studies_alike_in_all_but_the_format_are_paired():
    studies = {"a": INT8, "b": PLAIN, "c": study("int8", {"conv": 1.0}, target="other")}
    assert precision_pairs(studies) == [("b", "a")]
    assert precision_pairs({**studies, "d": HALF}) == [("b", "a"), ("b", "d")]
    assert precision_pairs({"b": PLAIN, "c": studies["c"]}) == []
    assert precision_pairs({"b": PLAIN, "again": PLAIN}) == []


def test_the_words_say_who_gains_and_who_changes_places():
    (gain, moves) = precision_sentences(*compare_precisions({"plain": PLAIN, "small": INT8}))
    assert "most for conv, by 2.00" in gain
    assert "conv from 2 to 1" in moves
    assert "vit from 1 to 2" in moves
    (only,) = precision_sentences(*compare_precisions({"plain": PLAIN.head(3), "small": INT8}))
    assert "Not enough networks" in only


def test_a_third_format_is_drawn_between_the_two_and_compared_with_float32_by_itself():
    figure = plot_front(pd.concat([PLAIN, INT8, HALF], ignore_index=True))
    shown = {trace.name: trace.opacity for trace in figure.data if trace.mode == "markers"}
    ways = [shown[f"conv (measured, {form})"] for form in ("float32", "float16", "int8")]
    assert ways == sorted(set(ways))
    page = render_report({"plain": PLAIN, "small": INT8, "half": HALF})
    assert "float32 and int8 and float16: plain and small and half" in page
    assert "What float16 saves" in page
    assert "float16 divides latency by" in page


def test_reports_and_comparisons_draw_both_on_one_front():
    figure = plot_front(pd.concat([PLAIN, INT8], ignore_index=True))
    shown = {trace.name: trace.opacity for trace in figure.data if trace.mode == "markers"}
    assert shown["conv (measured, float32)"] < shown["conv (measured, int8)"]
    page = render_report({"plain": PLAIN, "small": INT8})
    assert "float32 and int8: plain and small" in page
    assert "conv from 2 to 1" in page
    assert "float32 and int8" not in render_report({"plain": PLAIN})
    lines = comparison_sentences(compare_targets({"plain": PLAIN, "small": INT8}))
    assert any("int8 divides latency by" in line for line in lines)
    assert any("vit, the best on plain, takes 1.50 times conv's latency on small" in line for line in lines)
