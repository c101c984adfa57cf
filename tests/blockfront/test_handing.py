"""Networks handed out as files, and latencies of another tool handed in: of an old study, which is there already."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from blockfront import load
from blockfront.study.settings import KEY
from blockfront.study.storage import open_study, opened

OLD = Path(__file__).parent / "old_studies" / "studies.sql.gz"
STUDY = "old-vit"
TOLD = ("--target", "my_npu", "--tool", "RKNN 2.3")


@pytest.fixture
def here(bench, tmp_path):
    """The command beside a storage with the old study."""
    with closing(sqlite3.connect(tmp_path / "bench.db")) as connection:
        connection.executescript(gzip.decompress(OLD.read_bytes()).decode())
    return bench


@pytest.fixture
def handed_out(here, tmp_path):
    """The folder that `hand-out` would write, without the networks."""
    frame = load(STUDY)
    networks = [
        {"id": row.network_id, "network": row.network, "file": f"{row.network_id}.onnx", "bytes": 1, "max_rel_error": 0}
        for row in frame.itertuples()
    ]
    (tmp_path / "out").mkdir()
    manifest = {"study": STUDY, "bench": "0", "seed": 0, "networks": networks, "left_out": {}}
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    return frame


def _fill(cells, header="network_id,file,latency_ms"):
    rows = [f"{network_id},{network_id}.onnx,{cell}" for network_id, cell in cells.items()]
    Path("out/latencies.csv").write_text("\n".join([header, *rows]) + "\n")


def test_latencies_handed_in_are_a_study_with_costs_and_accuracies_of_the_first(here, handed_out):
    latencies = {network_id: 10.0 + i for i, network_id in enumerate(handed_out["network_id"])}
    _fill(latencies)
    said = here("hand-in", "out/latencies.csv", *TOLD)
    assert said.code == 0, said.errors
    assert "my_npu is not in the catalogue" in said.output
    made = load(said.output.partition(":")[0])
    assert dict(zip(made["network_id"], made["latency_ms"], strict=True)) == latencies
    assert set(made["latency_source"]) == {"measured elsewhere"}
    assert set(made["toolchain"]) == {"RKNN 2.3"}
    assert set(made["runner"]) == {"hand-in"}
    assert set(made["target"]) == {"my_npu"}
    assert made["latency_ci95_low_ms"].isna().all()
    for column in ("macs", "params", "activations", "top1", "top1_ci95_low", "trainings", "network", "family"):
        assert made[column].equals(handed_out[column]), column
    again = here("hand-in", "out/latencies.csv", *TOLD)
    assert again.code == 2
    assert again.errors.endswith("exists; name another with --study\n")


def test_latencies_are_in_the_studys_number_format_unless_another_is_told(here, handed_out):
    with opened("sqlite:///bench.db") as storage:
        study = open_study(storage, STUDY)
        study.set_user_attr(KEY, study.user_attrs[KEY] | {"toolchain": "tvm", "precision": "int8"})
    _fill({network_id: 10.0 + i for i, network_id in enumerate(handed_out["network_id"])})
    untold = here("hand-in", "out/latencies.csv", *TOLD)
    assert set(load(untold.output.partition(":")[0])["precision"]) == {"int8"}
    assert f"taken for int8, as {STUDY} is: --precision says what was measured" in untold.output
    assert "accuracies" not in untold.output
    told = here("hand-in", "out/latencies.csv", *TOLD, "--precision", "float32")
    assert set(load(told.output.partition(":")[0])["precision"]) == {"float32"}
    assert "accuracies are still those of int8, not of float32" in told.output
    assert "taken for" not in told.output


def test_what_follows_a_detector_on_one_target_is_not_handed_in_for_another(here, handed_out):
    """Post-processing of the first study beside another tool's latency would be a total of two devices."""
    found = {"rows": 9, "classes": 2, "threshold": 0.02, "mean": 1, "p95": 2, "content": ""}
    took = dict.fromkeys(("decode_ms", "suppress_ms", "candidates", "candidates_p95", "threshold", "overlap"), 1.0)
    with closing(sqlite3.connect("bench.db")) as connection, connection:
        rows = connection.execute("SELECT trial_id, value_json FROM trial_user_attributes WHERE key = 'network'")
        for trial, network in rows.fetchall():
            facts = json.dumps({**json.loads(network), "boxes": 9})
            connection.execute(
                "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'network' AND trial_id = ?", (facts, trial)
            )
            for key, value in (("candidates", found), ("postprocess", {**took, "capacity": 9})):
                connection.execute(
                    "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
                    (trial, key, json.dumps(value)),
                )
    assert (load(STUDY)["total_ms"] == load(STUDY)["latency_ms"] + 2).all()
    _fill(dict.fromkeys(handed_out["network_id"], "1.5"))
    assert here("hand-in", "out/latencies.csv", *TOLD, "--study", "npu").code == 0
    made = load("npu")
    assert made["postprocess_ms"].isna().all()
    assert made["total_ms"].isna().all()
    assert set(made["total_missing"]) == {"the tool that measured the latency timed the network alone"}


def test_a_network_that_the_tool_could_not_take_has_failed(here, handed_out):
    first, *others = handed_out["network_id"]
    _fill({first: "failed", **dict.fromkeys(others, "1500")}, "network_id,file,latency_us")
    said = here("hand-in", "out/latencies.csv", *TOLD, "--study", "npu", "--json")
    assert json.loads(said.output) == {
        "study": "npu",
        "of": STUDY,
        "networks": len(handed_out),
        "failed": 1,
        "notes": [],
    }
    made = load("npu").set_index("network_id")
    assert (made["state"][first], made["error"][first]) == ("failed", "hand-in: RKNN 2.3 has no latency")
    assert set(made["latency_ms"].dropna()) == {1.5}


def test_such_studies_are_reported_and_compared(here, handed_out, tmp_path):
    _fill(dict.fromkeys(handed_out["network_id"], 10.0))
    assert here("hand-in", "out/latencies.csv", *TOLD, "--study", "npu").code == 0
    assert here("report", "npu").code == 0
    assert "timed by others with the tool named" in (tmp_path / "report.html").read_text()
    compared = here("compare", "npu", STUDY)
    assert compared.code == 0, compared.errors
    assert "npu (measured elsewhere by RKNN 2.3)" in compared.output
    refused = here("compare", STUDY, "npu", "--fail-above", "5%")
    assert refused.code == 2
    assert "differ in targets" in refused.errors


def test_a_run_in_ci_fails_where_it_became_slower_by_more_than_the_limit(here, handed_out):
    networks = handed_out["network_id"]
    for name, factor in (("before", 1.0), ("after", 1.2)):
        _fill({network_id: factor * (10 + i) for i, network_id in enumerate(networks)})
        assert here("hand-in", "out/latencies.csv", *TOLD, "--study", name).code == 0
    failed = here("compare", "before", "after", "--fail-above", "5%")
    assert failed.code == 1, failed.errors
    assert failed.output.startswith("after takes 1.200 times the latency of before (95 % interval 1.200 to 1.200)")
    assert "FAILS: slower by more than 5 %" in failed.output
    assert not Path("comparison.html").exists()
    passed = here("compare", "before", "after", "--fail-above", "25%", "--json")
    assert passed.code == 0, passed.errors
    document = json.loads(passed.output)
    assert (document["failed"], document["limit"], document["shared"]) == (False, 0.25, len(networks))
    assert here("compare", "after", "before", "--fail-above", "5%").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("old-vit", "old-roofline", "npu", "--fail-above", "5%"), "name two studies, not 3"),
        (("old-vit", "old-roofline", "--fail-above", "5%", "-o", "c.html"), "leave --output out"),
        (("old-vit", "old-roofline", "--fail-above", "5%", "--value", "top1"), "leave --value out"),
        (("old-vit", "old-roofline", "--fail-above", "0.05"), "'0.05' is no percentage"),
        (("old-vit", "old-roofline", "--fail-above", "-5%"), "-5% is below 0: write how much slower is too slow"),
        (("old-vit", "old-roofline", "--fail-above", "5%"), "share: 0; an interval needs 5 or more"),
    ],
)
def test_a_wrong_gate_is_refused(here, arguments, words):
    said = here("compare", *arguments)
    assert said.code == 2
    assert words in said.errors


def test_networks_are_handed_out_with_a_sheet_that_is_handed_in_again(here, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra peers")
    pytest.importorskip("onnx", reason="needs the extra peers")
    said = here("hand-out", "old-emulated", "out", "--quiet")
    assert said.code == 0, said.errors
    frame = load("old-emulated")
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["left_out"] == {}
    assert [one["id"] for one in manifest["networks"]] == list(frame["network_id"])
    for one in manifest["networks"]:
        assert one["max_rel_error"] < 1e-5
        session = onnxruntime.InferenceSession(f"out/{one['file']}", providers=["CPUExecutionProvider"])
        assert [(given.name, given.shape[:2]) for given in session.get_inputs()] == [("image", [1, 3])]
    assert "float32" not in said.output
    sheet = Path("out/latencies.csv")
    header, *rows = sheet.read_text().splitlines()
    sheet.write_text(
        "\n".join([header, *(row + str(macs / 1e6) for row, macs in zip(rows, frame["macs"], strict=True))])
    )
    assert here("hand-in", str(sheet), *TOLD).code == 0
    again = here("hand-out", "old-emulated", "out")
    assert again.code == 2
    assert "out is there already; name a folder that is new or empty" in again.errors


def test_files_of_a_study_in_another_number_format_are_told_to_be_float32(here, tmp_path):
    pytest.importorskip("onnxruntime", reason="needs the extra peers")
    pytest.importorskip("onnx", reason="needs the extra peers")
    with opened("sqlite:///bench.db") as storage:
        study = open_study(storage, "old-emulated")
        study.set_user_attr(KEY, study.user_attrs[KEY] | {"toolchain": "tvm", "precision": "int8"})
    said = here("hand-out", "old-emulated", "out", "--quiet")
    assert said.code == 0, said.errors
    assert "these files are float32, and old-emulated is int8: convert them with your tool, and tell" in said.output
    assert "--precision" in said.output
    assert json.loads(Path("out/manifest.json").read_text())["precision"] == "int8"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "", "--tool", "RKNN"), "--target needs a name"),
        (("--target", "npu", "--tool", "tvm"), "tvm is a toolchain of this suite"),
        (("--target", "npu", "--tool", "RKNN", "--threads", "0"), "--threads must be 1 or more, not 0"),
    ],
)
def test_what_is_told_of_latencies_is_checked(here, handed_out, arguments, words):
    _fill(dict.fromkeys(handed_out["network_id"], 10.0))
    said = here("hand-in", "out/latencies.csv", *arguments)
    assert said.code == 2
    assert words in said.errors


def test_a_sheet_by_itself_is_no_handed_out_folder(bench, tmp_path):
    (tmp_path / "sheet.csv").write_text("network_id,latency_ms\n")
    said = bench("hand-in", "sheet.csv", *TOLD)
    assert said.code == 2
    assert "give the sheet in the folder that bench hand-out wrote" in said.errors


def test_a_folder_and_a_file_that_is_not_there_are_told_so(here, handed_out):
    for given, words in (("out", "out is a folder; give the CSV file in it"), ("out/no.csv", "no file out/no.csv")):
        said = here("hand-in", given, *TOLD)
        assert said.code == 2
        assert words in said.errors


def test_networks_without_macs_are_handed_in_too(here, handed_out):
    with closing(sqlite3.connect("bench.db")) as connection, connection:
        rows = connection.execute("SELECT trial_id, value_json FROM trial_user_attributes WHERE key = 'cost'")
        for trial, cost in rows.fetchall():
            connection.execute(
                "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'cost' AND trial_id = ?",
                (json.dumps({**json.loads(cost), "macs": 0}), trial),
            )
    _fill(dict.fromkeys(handed_out["network_id"], 10.0))
    assert here("hand-in", "out/latencies.csv", *TOLD).code == 0
