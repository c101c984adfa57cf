"""`bench studies`, `report`, `export` and `show` on a finished study."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from blockfront import load


@pytest.mark.parametrize("name", ["networks.csv", "networks.parquet"])
def test_an_export_reads_back_as_the_table(finished, tmp_path, name):
    target = tmp_path / name
    assert finished.commands.run("export", finished.study, str(target)).returncode == 0
    frame = load(finished.study, finished.commands.storage)
    back = pd.read_csv(target).astype(frame.dtypes) if target.suffix == ".csv" else pd.read_parquet(target)
    pd.testing.assert_frame_equal(back, frame)


def test_files_are_written_without_a_word_where_that_is_asked(bench, finished, tmp_path):
    storage = ("--storage", finished.commands.storage)
    for words in (("export", finished.study, "quiet.csv"), ("report", finished.study, "-o", "quiet.html")):
        said = bench(*words, "-q", *storage)
        assert (said.code, said.output, said.errors) == (0, "", "")
        assert (tmp_path / words[-1]).is_file()


def test_an_export_to_a_full_folder_leaves_no_file(bench, finished, tmp_path, monkeypatch):
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    (tmp_path / "out").mkdir()
    said = bench("export", finished.study, "out/networks.csv", "--storage", finished.commands.storage)
    assert said.code == 1
    assert said.errors == "error: cannot write out/networks.csv: No space left on device\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_show_gives_a_network_with_its_kernels(bench, finished):
    row = load(finished.study, finished.commands.storage).iloc[0]
    said = bench("show", row["network_id"][:8], "--storage", finished.commands.storage)
    assert said.code == 0
    assert row["network"] in said.output
    assert f"{row['top1']:.5g}" in said.output
    assert "share %" in said.output


def test_show_as_json_has_the_columns_and_the_kernels_add_up(bench, finished):
    row = load(finished.study, finished.commands.storage).iloc[1]
    said = bench("show", row["network_id"], "--json", "--storage", finished.commands.storage)
    (found,) = json.loads(said.output)
    assert found["network_id"] == row["network_id"]
    assert found["macs"] == row["macs"]
    assert sum(kernel["ms"] for kernel in found["kernels"]) == pytest.approx(row["latency_ms"], rel=1e-6)
    assert len(found["curve"]) == 1


def test_show_names_near_ids(bench, finished):
    row = load(finished.study, finished.commands.storage).iloc[0]
    wrong = ("0" if row["network_id"][0] != "0" else "1") + row["network_id"][1:]
    said = bench("show", wrong, "--storage", finished.commands.storage)
    assert said.code == 2
    assert row["network_id"] in said.errors
    assert said.errors.count("\n") == 1


def test_an_empty_id_is_refused(bench, finished):
    assert bench("show", "", "--storage", finished.commands.storage).code == 2


def test_studies_lists_how_far_each_is(bench, finished):
    said = bench("studies", "--json", "--storage", finished.commands.storage)
    (listed,) = json.loads(said.output)
    assert (listed["study"], listed["complete"], listed["failed"]) == (finished.study, finished.n, 0)
    assert finished.study in bench("studies", "--storage", finished.commands.storage).output


def test_report_writes_the_file_it_is_told(bench, finished, tmp_path):
    said = bench("report", finished.study, "-o", "mine.html", "--storage", finished.commands.storage)
    assert said.code == 0
    assert finished.study in (tmp_path / "mine.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("export", "tiny-rk3399", "out.txt"), ".csv, .parquet, .md, .tex"),
        (("export", "tiny-rk3399", "nowhere/out.csv"), "no folder"),
        (("export", "tiny-rk3398", "out.csv"), "did you mean tiny-rk3399?"),
        (("report", "tiny-rk3398", "-o", "r.html"), "did you mean tiny-rk3399?"),
        (("report", "tiny-rk3399", "-o", "nowhere/r.html"), "no folder"),
    ],
)
def test_wrong_calls_say_what_to_correct(bench, finished, arguments, expected, tmp_path):
    said = bench(*arguments, "--storage", finished.commands.storage)
    assert said.code == 2
    assert expected in said.errors
    assert said.errors.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.py"]
