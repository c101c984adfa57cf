from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from blockfront.analysis import front, plot_correlation, plot_edf, plot_front, plot_kernels, plot_share, wilson95
from blockfront.analysis.figure_style import axis_title, family_looks, wrap
from blockfront.errors import UsageError


def markers(figure):
    return [trace for trace in figure.data if trace.mode == "markers"]


def test_every_finished_network_is_one_point_of_its_family(study):
    study.loc[:4, "top1"] = None
    counts = study["family"][5:].value_counts()
    assert {trace.name: len(trace.x) for trace in markers(plot_front(study))} == counts.to_dict()


def test_each_familys_front_is_a_rising_step_line_in_the_familys_group(study):
    figure = plot_front(study)
    for trace in markers(figure):
        (line,) = [t for t in figure.data if t.mode == "lines" and t.legendgroup == trace.legendgroup]
        own = front(study[study["family"] == trace.name])
        assert line.line.shape == "hv"
        assert list(line.x) == own["latency_ms"].tolist()
        assert list(line.y) == pytest.approx((100 * own["top1"]).tolist())
        assert not line.showlegend


def test_the_merged_front_has_wilsons_intervals(study):
    (merged,) = [trace for trace in plot_front(study).data if trace.mode == "lines+markers"]
    best = front(study)
    low, high = wilson95(best["top1"][0], best["test_images"][0])
    assert list(merged.x) == best["latency_ms"].tolist()
    assert merged.y[0] - merged.error_y.arrayminus[0] == pytest.approx(100 * low)
    assert merged.y[0] + merged.error_y.array[0] == pytest.approx(100 * high)


def test_the_hover_names_id_text_sizes_and_source(make_study):
    study = make_study(1, source="measured")
    row, hover = study.iloc[0], markers(plot_front(study))[0].hovertext[0]
    plain = hover.replace("<br>", "")
    for text in (
        row["network_id"],
        row["network"],
        row["family"],
        "measured on board-1",
        "MACs",
        "parameters",
    ):
        assert text in plain
    for text in (
        "activations",
        "peak activation memory",
        "max relative error",
        "1.2e-06",
        "top-1",
        "(trained)",
    ):
        assert text in plain
    assert f"[{row['latency_ci95_low_ms']:.2f}, " in plain


def test_the_axis_names_target_unit_and_source(make_study):
    assert (
        axis_title(make_study(3), "latency_ms") == "latency on rk3399 (ms, predicted by roofline)<br>batch 1, 2 threads"
    )
    assert "(ms, measured)" in axis_title(make_study(3, target="host", source="measured"), "latency_ms")


def test_mixed_sources_have_other_markers_and_other_legend_entries(make_study):
    mixed = pd.concat([make_study(40), make_study(40, seed=1, source="measured")])
    traces = markers(plot_front(mixed))
    symbols = {trace.name: trace.marker.symbol for trace in traces}
    assert all(name.endswith(("(measured)", "(predicted)")) for name in symbols)
    assert symbols["ir (measured)"] + "-open" == symbols["ir (predicted)"]
    merged = [trace.name for trace in plot_front(mixed).data if trace.mode == "lines+markers"]
    assert merged == ["merged front (measured)", "merged front (predicted)"]


def test_the_merged_front_of_one_source_ignores_the_other(make_study):
    slow, fast = make_study(40, source="measured"), make_study(40, seed=1)
    fast["latency_ms"] /= 100
    merged = {t.name: t for t in plot_front(pd.concat([slow, fast])).data if t.mode == "lines+markers"}
    assert list(merged["merged front (measured)"].x) == front(slow)["latency_ms"].tolist()


def test_studies_on_two_targets_are_not_drawn_together(make_study):
    with pytest.raises(UsageError, match="mix targets"):
        plot_front(pd.concat([make_study(5), make_study(5, target="host")]))


def test_a_family_looks_the_same_wherever_the_families_are_given(study):
    names = [*study["family"].unique(), "zzz", "aaa"]
    part = study[study["family"].isin(["ir", "er"])]
    whole = {t.name: t.marker.color for t in markers(plot_front(study, families=names))}
    assert {t.name: whole[t.name] for t in markers(plot_front(part, families=names))} == {
        t.name: t.marker.color for t in markers(plot_front(part, families=names))
    }


def test_the_looks_of_many_families_are_distinct():
    looks = family_looks(f"family_{i}" for i in range(40))
    assert len({(look.colour, look.symbol) for look in looks.values()}) == 40


def test_both_axes_switch_between_linear_and_log(study):
    menus = plot_front(study).layout.updatemenus
    settings = [(button.args[0]["xaxis.type"]) for button in menus[0].buttons]
    assert settings == ["linear", "log"]
    assert menus[0].active == 1
    assert plot_front(study).layout.xaxis.type == "log"
    assert menus[1].buttons[1].args[0]["yaxis.type"] == "log"


def test_markup_in_names_is_shown_as_written(make_study):
    study = make_study(1)
    study["family"], study["network"] = "<b>x</b>", "a/<script>alert(1)</script>"
    trace = markers(plot_front(study))[0]
    assert trace.name == "&lt;b&gt;x&lt;/b&gt;"
    assert "<script>" not in trace.hovertext[0]


def test_long_network_texts_break_after_slashes():
    text = "/".join(f"ir_r2_k3_s2_e6_c{i}" for i in range(9))
    lines = wrap(text, 40).split("<br>")
    assert "".join(lines) == text
    assert all(len(line) <= 40 for line in lines)
    assert all(line.endswith("/") for line in lines[:-1])
    assert "".join(wrap("x" * 100, 40).split("<br>")) == "x" * 100


@pytest.mark.parametrize("n", [0, 1, 20])
def test_small_studies_draw(make_study, n):
    for plot in (plot_front, plot_share, plot_correlation, plot_edf):
        assert plot(make_study(n)).to_json()


def test_shares_are_drawn_largest_first_with_intervals(study):
    figure = plot_share(study)
    shares = [trace.x[0] for trace in figure.data]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100)
    assert all(trace.error_x.array[0] >= 0 and trace.error_x.arrayminus[0] >= 0 for trace in figure.data)


def test_the_correlation_figure_states_correlations_and_counts(study):
    figure = plot_correlation(study)
    note = figure.layout.annotations[0].text
    assert "all 200" in note
    assert all(name in note for name in ("MACs", "activations", "parameters"))
    band = figure.layout.shapes[0]
    assert np.mean(study["macs"].between(band.x0 * 1e6, band.x1 * 1e6)) == pytest.approx(1 / 3, abs=0.02)


def test_error_distributions_end_at_one_hundred_percent(study):
    figure = plot_edf(study)
    assert len(figure.data) == (study["family"].value_counts() >= 5).sum()
    assert all(trace.y[-1] == pytest.approx(100) for trace in figure.data)


def test_kernels_beyond_the_slowest_are_drawn_together():
    kernels = pd.DataFrame({"name": [f"conv{i}" for i in range(5)], "calls": 2, "ms": [1.0, 5.0, 2.0, 0.5, 0.25]})
    bar = plot_kernels(kernels, top=3).data[0]
    assert list(bar.x) == [5.0, 2.0, 1.0, 0.75]
    assert "20%" not in bar.hovertext[0]
    assert "57% of all" in bar.hovertext[0]


def test_a_few_failures_to_train_do_not_flatten_the_front(study: pd.DataFrame) -> None:
    unlearned = study.copy()
    unlearned.loc[unlearned.index[:2], "top1"] = 0.01
    figure = plot_front(unlearned)
    low, high = figure.layout.yaxis.range
    shown = unlearned["top1"].dropna() * 100
    assert low > 1.0
    assert high > shown.max()
    below = int((shown < low).sum())
    assert 2 <= below <= len(shown) / 10
    assert any(f"{below} networks lie below" in note.text for note in figure.layout.annotations)
