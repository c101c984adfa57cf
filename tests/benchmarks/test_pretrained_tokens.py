"""What the study of pretrained transformers computes, and what its table says."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import pretrained_tokens

    return pretrained_tokens


class Scored:
    """In the place of a trained network, every one of which is right half of the time."""

    plain = object()

    def __init__(self, *given):
        pass

    def reduced(self, method, target):
        return object()

    def top1(self, model, kept):
        return 0.5


def test_what_is_asked_for_is_scored_once(study, monkeypatch, tmp_path):
    monkeypatch.setattr(study, "Study", Scored)
    rows = study.Rows(tmp_path / "tokens.jsonl")
    for _ in range(2):
        study.accuracy(rows, 2, [0.6], ["tome"], 8, 8, [study.FROZEN])
        rows = study.Rows(tmp_path / "tokens.jsonl")
    assert [(row["seed"], row["method"]) for row in rows.rows] == [(0, "plain"), (0, "tome"), (1, "plain"), (1, "tome")]


def test_changes_are_from_the_plain_network_of_the_same_seed(study, tmp_path):
    from intervals import mean_change

    rows = study.Rows(tmp_path / "tokens.jsonl")
    for seed, plain, reduced in ((0, 0.80, 0.78), (1, 0.90, 0.87), (2, 0.70, 0.66)):
        of = {"phase": study.FROZEN, "seed": seed}
        rows.add({**of, "method": "plain", "target": 1.0, "share": 1.0, "top1": plain})
        rows.add({**of, "method": "tome", "target": 0.6, "share": 0.6, "top1": reduced})
    rows.add({"device": "rpi5", "method": "tome", "target": 0.6, "ms": 7.0})
    (tome,) = (row for row in study.summary(rows) if row["method"] == "tome")
    assert (tome["seeds"], tome["ms"]) == (3, {"rpi5": 7.0})
    assert tome["top1"] == pytest.approx(0.77)
    # Mean -3, deviation 1: Student's 4.303 / √3 = 2.48 to each side.
    assert tome["change"] == "-3.0 (-5.5 to -0.5)"
    assert mean_change([-1.0, -2.0], fewest=3) == "-1.5"
