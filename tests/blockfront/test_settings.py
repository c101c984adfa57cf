"""What may change between runs of a study, and what may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blockfront.errors import UsageError
from blockfront.study.settings import Settings, code_of_others, require_same

FIGURES = {
    "cores": 2,
    "fma_per_cycle": 1.0,
    "loads_per_cycle": 1,
    "bandwidth_gbs": 10.0,
    "sources": {"cores": "by name"},
}
BEGUN = Settings(
    space="cnn",
    space_hash="0",
    space_definition={},
    target="host",
    target_definition=FIGURES,
    runner="local",
    toolchain="tvm",
    precision="float32",
    threads=1,
    dataset=None,
    dataset_fingerprint=None,
    recipe=None,
    recipe_hash=None,
    seed=0,
    sampler="random",
)
MEASURED = {"fma_per_cycle": 2.0, "loads_per_cycle": 2, "bandwidth_gbs": 20.0, "sources": {"fma_per_cycle": "measured"}}


def _with(settings: Settings, figures: dict[str, Any]) -> Settings:
    return replace(settings, target_definition=FIGURES | figures)


def test_a_study_measured_here_goes_on_with_other_code_and_says_so():
    now = _with(BEGUN, MEASURED)
    require_same("old", BEGUN, now)
    assert "begun with code for 1 multiply-adds a cycle, and this machine does 2" in str(
        code_of_others("old", BEGUN, now)
    )
    assert code_of_others("old", BEGUN, BEGUN) is None


@pytest.mark.parametrize(
    ("runner", "figures", "said"),
    [
        ("local", {"cores": 4}, "another definition of target host: cores 2, not 4"),
        ("roofline", MEASURED, "another definition of target host: fma_per_cycle 1.0, not 2.0"),
    ],
)
def test_a_study_of_other_figures_refuses_and_names_the_first(runner, figures, said):
    kept = replace(BEGUN, runner=runner)
    with pytest.raises(UsageError, match=said):
        require_same("old", kept, _with(kept, figures))


@pytest.mark.parametrize("sources", [{}, {"cores": "told"}])
def test_where_figures_are_from_may_change(sources):
    kept = replace(BEGUN, runner="roofline")
    require_same("old", kept, _with(kept, {"sources": sources}))
