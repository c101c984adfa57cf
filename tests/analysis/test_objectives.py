"""A pair of metrics that nothing was written for flows through every analysis, and is named in what is shown."""

from __future__ import annotations

import pandas as pd
import pytest

from blockfront.analysis import (
    METRICS,
    Objectives,
    best_at_budgets,
    best_within,
    compare_targets,
    comparison_records,
    comparison_sentences,
    family_table,
    front,
    headline,
    plot_correlation,
    plot_edf,
    plot_front,
    plot_share,
    rank_correlations,
    render_comparison,
    render_report,
    speedups,
    study_box,
    wilson95,
)
from blockfront.errors import UsageError

PAIR = Objectives("macs", "agreement")
ENERGY = Objectives("energy_mj", "top1")


@pytest.fixture
def agreed(make_study):
    """A study whose agreement orders networks otherwise than their accuracy, and that nobody timed."""
    study = make_study(80)
    study["agreement"] = 0.5 + 0.4 * study["params"].rank(pct=True)
    study[["latency_ms", "top1", "latency_source"]] = None
    return study


def test_a_family_table_is_of_the_pair_it_was_asked_for(agreed):
    table = family_table(agreed, PAIR)
    renamed = agreed.assign(latency_ms=agreed["macs"].astype(float), top1=agreed["agreement"])
    pd.testing.assert_frame_equal(table, family_table(renamed))
    assert table["on_front"].sum() == len(front(agreed, "macs", "agreement")) > 1


def test_box_and_budgets_are_in_the_columns_own_units(agreed):
    box = study_box(agreed, PAIR)
    assert (box.cost, box.ideal_value) == (agreed["macs"].max(), agreed["agreement"].max())
    within = agreed[agreed["macs"] <= 100e6]
    assert best_at_budgets(agreed, [100e6], PAIR)["value"].max() == within["agreement"].max()
    assert best_within(agreed, 100e6, PAIR)["network_id"] == within.loc[within["agreement"].idxmax(), "network_id"]


def test_the_headline_speaks_of_the_pair_and_of_nothing_else(agreed):
    said = " ".join(headline(agreed, PAIR))
    assert "agreement from " in said
    assert f"at {METRICS['macs'].text(agreed['macs'].min())}" in said or " M" in said
    for word in ("latency", "Latenc", "top-1", "accura", " ms"):
        assert word not in said
    assert headline(agreed)[0].startswith("No latency yet")


def test_the_report_is_titled_by_the_pair(agreed):
    page = render_report(agreed, objectives=PAIR)
    assert "<h1>Agreement against MACs, by block family</h1>" in page
    assert "best agreement (%) within" in page
    assert "Networks on the front, least MACs first" in page
    assert "top-1" not in page.split("<script>")[0].split("</h1>")[0]
    for _, row in front(agreed, "macs", "agreement").iterrows():
        assert row["network_id"] in page


def test_figures_name_the_pair_and_draw_its_intervals(agreed):
    figure = plot_front(agreed, "macs", "agreement")
    assert figure.layout.xaxis.title.text == "MACs (M)"
    assert figure.layout.yaxis.title.text == "agreement of thresholds and fixed counts on digits (%)"
    (merged,) = [trace for trace in figure.data if trace.mode == "lines+markers"]
    best = front(agreed, "macs", "agreement").iloc[0]
    assert merged.y[0] + merged.error_y.array[0] == pytest.approx(100 * wilson95(best["agreement"], 360)[1])
    assert "agreement" in figure.data[-2].hovertext[0]
    assert "MACs and agreement" in plot_share(agreed, PAIR).layout.xaxis.title.text
    assert "MACs bins" in plot_edf(agreed, PAIR).layout.yaxis.title.text


def test_proxies_rank_whatever_cost_is_asked_for(study):
    study["energy_mj"] = 1e3 / study["latency_ms"]
    rows = rank_correlations(study, ENERGY).set_index(["band", "proxy"])["rho"]
    assert rows["all", "macs"] == pytest.approx(
        -rank_correlations(study).set_index(["band", "proxy"])["rho"]["all", "macs"]
    )
    assert "energy on rk3399 (mJ" in plot_correlation(study, ENERGY).layout.yaxis.title.text
    assert "macs" not in set(rank_correlations(study, Objectives("macs", "top1"))["proxy"])


def test_a_comparison_by_energy_has_the_families_shares_of_its_own_fronts(study):
    study["energy_mj"] = 1e3 / study["latency_ms"]
    comparison = compare_targets({"a": study, "b": study.assign(study="b")}, ENERGY, draws=20)
    shares = {
        row["family"]: row["on_front"] for row in comparison_records(comparison)["families"] if row["study"] == "a"
    }
    on_front = front(study, "energy_mj", "top1")["family"].value_counts()
    assert {name: count for name, count in shares.items() if count} == on_front.to_dict()
    assert on_front.to_dict() != front(study)["family"].value_counts().to_dict()


def test_a_comparison_names_its_pair(agreed):
    comparison = compare_targets({"a": agreed, "b": agreed.assign(study="b")}, PAIR, draws=20)
    assert "at equal agreement" in comparison_sentences(comparison)[0]
    assert "its MACs" in comparison_sentences(comparison)[0]
    page = render_comparison(comparison)
    assert "agreement against MACs" in page
    assert "at equal accuracy" not in page


@pytest.mark.parametrize(
    ("cost", "value", "words"),
    [
        ("top1", "top5", "top1 is not to be minimized"),
        ("macs", "macs", "macs is the cost already"),
        ("mac", "top1", "did you mean macs"),
    ],
)
def test_a_pair_that_is_none_is_refused(cost, value, words):
    with pytest.raises(UsageError, match=words):
        Objectives(cost, value)


def test_costs_of_nothing_have_no_ratio(study):
    study["energy_mj"] = 0.0
    with pytest.raises(UsageError, match="costs above 0"):
        speedups(study, ENERGY)
