"""`bench check`: models, networks and studies against NPUs' lists from the command line."""

from __future__ import annotations

import json

import pytest

from blockfront import load


def test_a_model_is_checked_against_several_npus(bench):
    said = bench("check", "mobilenetv3_small_050", "--npu", "rk3588", "--npu", "edge_tpu", "--json")
    found = json.loads(said.output)
    rk3588, edge_tpu = found["npus"]
    assert (found["input"], rk3588["npu"], rk3588["runs_on"]) == ("3x224x224", "rk3588", "processor")
    assert rk3588["macs"] == {"npu": 1.0, "processor": 0.0, "not said": 0.0}
    assert rk3588["causes"] == {"mean": sum(one["calls"] for one in rk3588["falls_back"])}
    assert {one["operator"] for one in edge_tpu["falls_back"] if not one["follows"]} == {"hardswish"}


def test_what_falls_back_is_named_with_its_reason(bench):
    said = bench("check", "mobilenetv3_small_050", "--npu", "rk3588", "--npu", "edge_tpu")
    assert "by the documents of the vendors alone; nothing was run" in said.output
    assert "falls back in part" in said.output
    assert "ReduceMean is listed for the processor" in said.output
    assert "all that reads from these" in said.output


def test_the_npus_are_listed_with_their_documents(bench):
    said = bench("check", "--list")
    assert "RK3566 and RK3568" in said.output
    assert "05_RKNN_Compiler_Support_Operator_List_V2.3.2.pdf (version 2.3.2, 2025-03-28)" in said.output
    listed = json.loads(bench("check", "--list", "--json").output)
    assert json.loads(bench("check", "--list", "--npu", "rk3568", "--json").output) == [
        one for one in listed if one["npu"] == "rk3566"
    ]
    assert {one["vendor"] for one in listed} >= {"Arm", "Google", "Qualcomm", "Rockchip"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "name a study, a network or a model, and an NPU with --npu"),
        (("resnet18",), "name a study, a network or a model, and an NPU with --npu"),
        (("resnet18", "--npu", "rk3589"), "did you mean rk3588"),
        (("--list", "--npu", "rk3589"), "did you mean rk3588"),
        (("resnet81", "--npu", "rk3588"), "unknown model 'resnet81'"),
    ],
)
def test_calls_that_are_wrong_say_what_to_do(bench, arguments, error):
    said = bench("check", *arguments)
    assert said.code == 2
    assert error in said.errors


def test_a_study_is_a_table_by_family(bench, finished):
    storage = ("--storage", finished.commands.storage)
    said = bench("check", finished.study, "--npu", "edge_tpu", "--npu", "rk3588", "--quiet", "--json", *storage)
    tables = json.loads(said.output)["npus"]
    families = load(finished.study, finished.commands.storage)["family"].value_counts()
    for rows in tables.values():
        assert {row["family"]: row["networks"] for row in rows} == dict(families)
        assert all(row["wholly_on_npu"] + row["not_said"] + row["falls_back"] == row["networks"] for row in rows)
    assert all(row["mac_share"] == 1.0 for row in tables["rk3588"])
    assert "what falls back" in bench("check", finished.study, "--npu", "rk3588", "--quiet", *storage).output


def test_a_network_is_checked_by_its_id(bench, finished):
    storage = ("--storage", finished.commands.storage)
    first = load(finished.study, finished.commands.storage).iloc[0]
    said = bench("check", first["network_id"], "--npu", "ethos_u55", "--json", *storage)
    assert json.loads(said.output)["model"] == first["network"]
