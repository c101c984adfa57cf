"""Studies of the first schema, kept as that version wrote them beside what it exported of them.

`old_studies/studies.sql.gz` is the SQL dump of a storage: predicted, measured and simulated networks, untrained and
trained ones, and a transformer that learned its counts.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from blockfront import load
from blockfront.results import COLUMNS

pytestmark = pytest.mark.processes

OLD = Path(__file__).parent / "old_studies"
STUDIES = ("old-emulated", "old-measured", "old-roofline", "old-simulated", "old-vit")


@pytest.fixture
def storage(tmp_path: Path) -> str:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript(gzip.decompress((OLD / "studies.sql.gz").read_bytes()).decode())
    return f"sqlite:///{tmp_path / 'old.db'}"


@pytest.mark.parametrize("study", STUDIES)
def test_an_old_study_exports_what_it_exported_then(bench, storage, study):
    assert bench("export", study, "now.csv", "--storage", storage).code == 0
    then, now = pd.read_csv(OLD / f"{study}.csv"), pd.read_csv("now.csv")
    assert set(now.columns) - set(then.columns) == set(COLUMNS) - set(then.columns)
    pd.testing.assert_frame_equal(now[list(then.columns)], then)


def test_an_old_accuracy_is_one_training_with_wilsons_interval(storage):
    """Wilson (1927) by hand, for 45 of 450 images."""
    row = load("old-vit", storage).set_index("trial").loc[0]
    assert (row["top1"], row["test_images"], row["trainings"]) == (0.1, 450, 1)
    assert (row["top1_ci95_low"], row["top1_ci95_high"]) == pytest.approx((0.0756, 0.1312), abs=1e-4)


@pytest.mark.parametrize("study", STUDIES)
def test_an_old_study_is_shown_and_reported(bench, storage, study):
    network = load(study, storage).iloc[0]
    said = bench("show", network["network_id"], "--study", study, "--json", "--storage", storage)
    (found,) = json.loads(said.output)
    assert sum(kernel["share"] for kernel in found["kernels"]) == pytest.approx(1)
    assert bool(found["latency_samples_ms"]) == (network["latency_source"] == "measured")
    assert bench("report", study, "--storage", storage).code == 0
    assert network["network_id"] in Path("report.html").read_text()


def test_an_old_study_is_extended_and_keeps_what_it_had(bench, storage):
    before = load("old-roofline", storage)
    command = ("--target", "rk3399", "--runner", "roofline", "--no-train", "--study", "old-roofline", "--quiet")
    said = bench("sample", "--n", "3", *command, "--storage", storage)
    assert said.code == 0, said.errors
    after = load("old-roofline", storage)
    assert len(after) == 3
    pd.testing.assert_frame_equal(after.iloc[:2], before)


def test_old_accuracies_are_reused(bench, storage):
    """The first network of each study is the same, and so are data and recipe."""
    options = (
        "--target",
        "rpi4",
        "--runner",
        "roofline",
        "--dataset",
        "digits",
        "--epochs",
        "1",
        "--n",
        "1",
        "--study",
        "new",
    )
    said = bench("sample", *options, "--storage", storage)
    assert said.code == 0, said.errors
    assert "reused, because they were in the storage already: 1 accuracy" in said.errors
    assert load("new", storage)["top1"][0] == load("old-emulated", storage)["top1"][0]
