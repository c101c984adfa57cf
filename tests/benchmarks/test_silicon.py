"""What a published network is worth beside its rivals, of rows made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blockfront.validation.accelerators import OWN_NPUS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def silicon(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import silicon

    return silicon


def test_a_rival_is_of_another_family_and_at_least_as_accurate(silicon):
    """6 ms against 3 ms at one accuracy; nobody is as accurate as the last, and its own family does not count."""
    rows = silicon.Silicon(
        names=("a", "b", "c", "d"),
        families=np.array(["one", "two", "one", "one"]),
        milliseconds=np.array([6.0, 3.0, 1.0, 9.0]),
        top1={"int8": np.array([0.5, 0.5, 0.2, 0.9])},
    )
    found = silicon.factors(rows, "int8")
    assert found[:, 0] == pytest.approx([2.0, 3 / 6, 1 / 3, np.nan], nan_ok=True)
    # Of two of equal accuracy, each is the less accurate one in half of the draws; then the next one is the rival.
    assert found[1, 1:] == pytest.approx([3 / 9, 3 / 6])
    assert found[2, 1:] == pytest.approx([1 / 3, 1 / 3])


def test_published_rows_have_both_accuracies_and_a_family(silicon):
    """ST's row of mobilenetv2b_a100: 20.39 ms, 73.33 % in float32, 72.89 % in int8."""
    found = silicon.read_silicon(OWN_NPUS)
    place = found.names.index("mobilenetv2b_a100")
    assert (found.families[place], found.milliseconds[place]) == ("MobileNetV2", 20.39)
    assert [found.top1[form][place] for form in silicon.FORMATS] == pytest.approx([0.7333, 0.7289])
