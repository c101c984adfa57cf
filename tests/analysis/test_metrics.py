from __future__ import annotations

import math

import pytest

from blockfront.analysis import METRICS
from blockfront.errors import UsageError


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("latency_ms", 12.345, "12.3 ms"),
        ("latency_ms", 0.01234, "0.0123 ms"),
        ("latency_ms", 1234.5, "1,234 ms"),
        ("latency_ms", 0.0, "0.00 ms"),
        ("top1", 0.9314, "93.1 %"),
        ("macs", 300.8e6, "301 M"),
        ("params", 3.504e6, "3.50 M"),
        ("peak_memory_bytes", 1.5 * 2**20, "1.50 MiB"),
        ("top1", math.nan, "—"),
    ],
)
def test_a_value_is_written_in_its_unit(key, value, text):
    assert METRICS[key].text(value) == text


def test_accuracy_is_maximised_and_everything_else_minimised():
    assert {key for key, metric in METRICS.items() if metric.direction == "maximize"} == {
        "top1",
        "top5",
        "plain_top1",
        "dynamic_top1",
        "agreement",
        *("top1_float", "ap_float", "mask_ap_float", "miou_float"),
        "float_agreement",
        *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
        *("mask_ap", "mask_ap50", "mask_ap75", "mask_ap_small", "mask_ap_medium", "mask_ap_large"),
        *("miou", "pixel_accuracy"),
    }


def test_a_misspelt_metric_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean latency_ms"):
        METRICS["latency"]
