"""Networks that fail, and what a sweep does about them."""

from __future__ import annotations

import json

import pytest

import blockfront
from blockfront.commands.sample import require_success
from blockfront.errors import RunError
from blockfront.results import COLUMNS
from blockfront.results.table import to_frame
from blockfront.study.storage import opened
from blockfront.sweep.samplers import SAMPLERS

pytestmark = pytest.mark.processes

SPACE = """
import torch
from torch import nn

from blockfront.blocks import register_block
from blockfront.design_space import DesignSpace, Stage, choice


@register_block("fragile")
class Fragile(nn.Module):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(in_chs, out_chs, 3, stride, 1)

    def forward(self, x):
        print("a block that talks")
        x = self.conv(x)
        if x.shape[1] == 16:
            raise ValueError("[bold]sixteen[/bold]\\nis too many")
        return x


space = DesignSpace(
    "fragile",
    resolution=32,
    num_classes=10,
    stem=8,
    family="fragile",
    stages=[Stage(depth=1, width=choice(8, 16, 24), stride=2)],
)
"""


def test_a_network_that_fails_is_kept_with_its_reason_and_the_others_finish(commands):
    (commands.folder / "fragile.py").write_text(SPACE)
    call = ("sample", "--n", "3", "--target", "rk3399", "--space", "fragile.py:space", "--runner", "roofline")
    said = commands.run(*call, "--no-train", "--json", "--quiet")
    assert said.returncode == 0
    assert said.stderr == ""

    (reason, count), *rest = json.loads(said.stdout)["failures"].items()
    assert reason.startswith("profile: ")
    assert "[bold]sixteen[/bold]" in reason
    assert (count, rest) == (1, [])
    frame = blockfront.load("fragile-rk3399", commands.storage)
    assert sorted(frame["state"]) == ["complete", "complete", "failed"]
    failed = frame[frame["state"] == "failed"].iloc[0]
    assert "_c16" in failed["network"]
    assert failed["error"] == reason
    assert "\n" not in reason

    again = commands.run(*call, "--no-train", "--quiet")
    assert again.returncode == 0
    assert f"1 failed: {reason}" in again.stdout
    assert blockfront.load("fragile-rk3399", commands.storage).equals(frame)


def test_a_sweep_whose_networks_all_fail_ends_in_an_error_that_says_why():
    row = dict.fromkeys(tuple(COLUMNS)) | {"state": "failed", "error": "profile: no linker"}
    with pytest.raises(RunError, match="none of 2 networks came through; the first: profile: no linker"):
        require_success(to_frame([row, row]))
    require_success(to_frame([row, row | {"state": "complete"}]))


@pytest.mark.long
def test_a_sampler_that_repeats_itself_puts_the_repeats_aside(commands):
    """TPE on a space of few networks must repeat; repeats and breaches are told pruned and do not count."""
    import optuna

    from blockfront.design_space import DesignSpace, Stage, choice
    from blockfront.study.journal import Journal
    from blockfront.study.settings import Settings
    from blockfront.sweep.proposing import propose

    space = DesignSpace(
        "few",
        resolution=32,
        num_classes=10,
        stem=8,
        family="ds",
        stages=[Stage(depth=1, width=choice(8, 16, 24, 512), stride=2)],
        constraints={"params": (0, 5000)},
    )
    settings = Settings(
        "few", space.hash, {}, "rk3399", {}, "roofline", "tvm", "float32", 2, None, None, None, None, 0, "tpe"
    )
    with opened(commands.storage, create=True) as storage:
        study = optuna.create_study(study_name="few", storage=storage, sampler=SAMPLERS["tpe"].make(0))
        journal = Journal(storage, study, settings)
        entries = propose(journal, space, 3)
        assert len({entry.network.id for entry in entries}) == 3
        with pytest.raises(RunError, match="widen the space"):
            propose(journal, space, 1)
        states = [trial.state.name for trial in study.get_trials()]
        reasons = {trial.user_attrs.get("reason", "") for trial in study.get_trials()}
    assert states.count("RUNNING") == 3
    assert any("params" in reason for reason in reasons)
    assert any(reason.startswith("repeats network") for reason in reasons)


@pytest.mark.long
def test_a_sampler_that_learns_runs_the_same_sweep(commands):
    said = commands.sample(2, "--sampler", "tpe", "--no-train", "--quiet")
    assert said.returncode == 0, said.stderr
    frame = blockfront.load("tiny-rk3399", commands.storage)
    assert list(frame["state"]) == ["complete"] * 2
    assert frame["network_id"].is_unique
