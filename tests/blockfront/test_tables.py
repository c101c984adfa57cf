"""What tables of networks show: what there is, rounded as a reader wants it."""

from __future__ import annotations

from blockfront.console.tables import front_columns, front_rows
from blockfront.results.table import to_frame


def _frame(**values):
    row = {"network_id": "abc", "family": "ds", "state": "complete", "macs": 12_345, "params": 4_321}
    latency = {"latency_ms": 0.123456, "latency_source": "predicted", "runner": "roofline"}
    return to_frame([row | latency | values])


def test_small_networks_have_sizes():
    assert front_rows(_frame())[0][-2:] == ["0.0123", "0.00432"]


def test_a_column_that_no_row_has_is_left_out():
    untrained, trained = _frame(), _frame(top1=0.87654)
    assert "top-1 %" not in front_columns(untrained)
    assert front_columns(trained)[3] == "top-1 %"
    assert front_rows(trained)[0][3] == "87.7"
    for frame in (untrained, trained):
        assert len(front_rows(frame)[0]) == len(front_columns(frame))
