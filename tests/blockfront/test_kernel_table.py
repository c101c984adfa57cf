"""Kernels against the device's peak: rates, percentages and what they are of."""

from __future__ import annotations

import json

import pytest

from blockfront import load
from blockfront.console.kernel_table import kernel_row, peak_line, print_kernels
from tests.blockfront.conftest import keep_changed

MEASURED = {"source": "measured", "gflops": 200.0, "gbs": 20.0}
CATALOGUE = {**MEASURED, "source": "catalogue"}
# In 2 ms 100 million multiply-adds are 100 GFLOP/s, and 8 million bytes 4 GB/s.
DENSE = {
    "name": "dense",
    "calls": 3,
    "ms": 2.0,
    "macs": 100_000_000,
    "bytes": 8_000_000,
    "share": 0.8,
    "rule": "contraction",
}
# In 0.5 ms 9 million bytes are 18 GB/s.
POOL = {"name": "pool", "calls": 1, "ms": 0.5, "macs": 0, "bytes": 9_000_000, "share": 0.2, "rule": None}


def profiled(peak, *kernels):
    made = {"threads": 2, "device": "board 7", "target": "rk3399", "precision": "float32"}
    return {"kernels": list(kernels), "peak": peak, **made}


def test_rates_percentages_and_losses_are_those_computed_by_hand():
    assert kernel_row(DENSE, MEASURED) == {
        "kernel": "dense",
        "rule": "contraction",
        "calls": "3",
        "ms": "2.0000",
        "share %": "80.0",
        "GFLOP/s": "100.0",
        "GB/s": "4.0",
        "GFLOP/s %": "50",
        "GB/s %": "20",
        "bound": "compute",
        "lost ms": "1.0000",
    }
    pool = kernel_row(POOL, MEASURED)
    assert (pool["rule"], pool["bound"]) == ("none", "memory")
    assert (pool["GFLOP/s"], pool["GB/s"], pool["GB/s %"], pool["lost ms"]) == ("0.0", "18.0", "90", "0.0500")


def test_products_of_bytes_are_compared_with_as_many_times_the_peak():
    row = kernel_row({**DENSE, "products": 4}, MEASURED)
    assert (row["GFLOP/s"], row["GFLOP/s %"], row["bound"], row["lost ms"]) == ("100.0", "12", "memory", "1.6000")


def test_a_kernel_served_by_its_caches_passes_memorys_peak_and_loses_nothing():
    row = kernel_row({**POOL, "ms": 0.3}, MEASURED)
    assert (row["GB/s %"], row["bound"]) == ("150", "caches")
    assert row["lost ms"] == "0.0000"


@pytest.mark.parametrize("peak", [MEASURED, CATALOGUE])
def test_the_line_explains_a_share_of_memorys_peak_above_100_percent(peak):
    explained = "Above 100 % of its GB/s are kernels whose tensors are in caches, which give more than memory."
    assert peak_line(profiled(peak, DENSE, {**POOL, "ms": 0.3})).endswith(explained)
    assert explained not in peak_line(profiled(peak, DENSE, POOL))


def test_the_line_says_what_was_measured_and_the_sum_of_the_losses():
    line = peak_line(profiled(MEASURED, DENSE, POOL))
    assert line == (
        "% of the peak with --threads 2: 200.0 GFLOP/s (a multiply-add is two), 20.0 GB/s, measured on board 7. "
        "Kernels lose 1.05 of their 2.5 ms to it."
    )


def test_a_prediction_is_compared_with_the_catalogue_and_loses_nothing():
    assert "lost ms" not in kernel_row(DENSE, CATALOGUE)
    line = peak_line(profiled(CATALOGUE, DENSE))
    assert line.endswith("by the figures of rk3399's definition.")
    assert "measured" not in line


def test_a_peak_says_its_number_format_and_names_no_threads_where_there_are_none():
    line = peak_line(profiled(CATALOGUE, DENSE) | {"threads": None, "precision": "int8"})
    assert line.startswith("% of the peak: 200.0 GFLOP/s (a multiply-add is two), 20.0 GB/s in int8, by the figures")


def test_the_peak_of_a_line_is_that_of_its_percentages():
    dense = {**DENSE, "products": 4}
    row = kernel_row(dense, CATALOGUE)
    line = peak_line(profiled(CATALOGUE, POOL, dense) | {"precision": "int8"})
    assert line.startswith("% of the peak with --threads 2: 800.0 GFLOP/s (a multiply-add is two), 20.0 GB/s in int8,")
    assert float(row["GFLOP/s"]) / 800 == pytest.approx(float(row["GFLOP/s %"]) / 100, abs=0.01)


def test_rates_of_a_microcontroller_are_no_zeros():
    slow = {**CATALOGUE, "gflops": 0.042, "gbs": 0.128}
    assert "0.042 GFLOP/s (a multiply-add is two), 0.13 GB/s" in peak_line(profiled(slow, DENSE))
    assert kernel_row({**DENSE, "ms": 5000.0}, slow)["GFLOP/s"] == "0.04"


def test_kernels_are_printed_longest_first(capsys):
    print_kernels(profiled(MEASURED, POOL, DENSE))
    printed = capsys.readouterr().out
    assert printed.index("dense") < printed.index("pool")


def test_a_study_keeps_the_peak_and_its_kernels_rules(bench, finished):
    row = load(finished.study, finished.commands.storage).iloc[0]
    (found,) = json.loads(bench("show", row["network_id"], "--json", "--storage", finished.commands.storage).output)
    assert found["peak"] == {"source": "catalogue", "gflops": pytest.approx(28.8), "gbs": 4.1}
    assert {kernel["rule"] for kernel in found["kernels"]} >= {"contraction", "window"}
    said = bench("show", row["network_id"], "--storage", finished.commands.storage)
    assert "28.8 GFLOP/s (a multiply-add is two), 4.1 GB/s, by the figures of rk3399's definition" in said.output


def test_a_study_kept_before_there_were_peaks_still_shows(bench, finished, tmp_path):
    def older(kept):
        del kept["latency"]["peak"]
        for kernel in kept["latency"]["kernels"]:
            del kernel["rule"]

    said = bench("show", keep_changed(finished, tmp_path, older))
    assert said.code == 0, said.errors
    assert "GFLOP/s" in said.output
    assert "GFLOP/s %" not in said.output
    assert "No peak was kept with this latency" in said.output
