"""What the zoo's table says of rows made by hand, and what its detectors' bodies are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def zoo(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import zoo

    return zoo


def _row(model, **facts):
    fine = {"kernels": 10, "unscheduled": {}}
    return {"model": model, "family": "resnet", "targets": {"host": fine, "rpi5": fine}} | facts


def test_the_table_counts_what_agrees_and_gives_each_other_its_reason(zoo):
    wrong = {"host": {"reason": "it differs"}, "rpi5": {"kernels": 8, "unscheduled": {"a": "no rule matches it"}}}
    rows = [_row("a"), _row("b", targets=wrong), _row("c", smaller=True), _row("d", targets={}, reason=zoo.LARGE)]
    lines = list(zoo.table(rows))
    assert lines[0] == "4 networks tried, of which 1 are too large; 1 at a smaller size than their own."
    assert "| resnet | 3 | 2 | 3 | 48 | 1 |" in lines
    assert "- `b` (host): it differs" in lines
    assert "- `b`: no rule matches it" in lines


@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large"])
def test_a_detectors_body_gives_what_its_heads_do_at_its_own_size(zoo, name):
    model = zoo.model_of(f"torchvision:{name}{zoo.BODY}")
    assert model.signature.resolution == 320
    assert zoo.family_of(model.name).startswith("detection.")
    with torch.device("meta"):
        given = model.build().eval()(torch.zeros(1, 3, 320, 320))
    assert len(given) == 2
