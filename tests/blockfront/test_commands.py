"""`bench profile`, `doctor` and the lists."""

from __future__ import annotations

import json

import pytest

from blockfront.results import COLUMNS

NETWORK = "cnn_32_n10/stem_k3_s2_c8_nrelu/ds_r1_k3_s2_c16_nrelu/head"


@pytest.mark.parametrize("command", ["targets", "blocks", "spaces", "datasets", "runners"])
def test_a_list_is_a_table_or_json_with_the_same_names(bench, command):
    kind = command.removesuffix("s")
    listed = json.loads(bench(command, "--json").output)
    said = bench(command)
    assert said.code == 0
    assert listed
    for entry in listed:
        assert entry[kind] in said.output


def test_lists_hold_what_the_sweep_needs(bench):
    assert "rk3399" in {entry["target"] for entry in json.loads(bench("targets", "--json").output)}
    assert "mobile" in {entry["space"] for entry in json.loads(bench("spaces", "--json").output)}


def test_a_target_shows_where_each_of_its_figures_is_from(bench):
    figures = {row["figure"]: row for row in json.loads(bench("targets", "rk3399", "--json").output)}
    assert figures["cpus"]["value"] == [4, 5]
    assert figures["bandwidth_gbs"]["value"] == 4.1
    said = bench("targets", "rk3399")
    assert said.code == 0
    assert all(row["source"] in said.output for row in figures.values())
    assert "did you mean rk3399" in bench("targets", "rk3398").errors


def test_a_network_text_is_profiled(bench):
    said = bench("profile", NETWORK, "--target", "rk3399", "--runner", "roofline", "--json", "--quiet")
    assert (said.code, said.errors) == (0, "")
    profiled = json.loads(said.output)
    assert profiled["latency_source"] == "predicted"
    assert profiled["latency_ms"] > 0
    assert profiled["resolution"] == 32
    assert profiled["max_rel_error"] <= 1e-4
    assert sum(kernel["macs"] for kernel in profiled["kernels"]) == profiled["macs"]
    assert set(COLUMNS) < set(profiled)
    assert set(profiled) - set(COLUMNS) == {
        "model",
        "tokens",
        "scores",
        "curve",
        "accuracy_from",
        "traceback",
        "unscheduled_kernel_names",
        "latency_samples_ms",
        "visits",
        "kernels",
        "peak",
        "coverage",
        "versions",
        "conditions",
    }


def test_a_factory_of_a_file_is_profiled_and_measured_on_the_host(bench, tmp_path):
    (tmp_path / "model.py").write_text(
        "from torch import nn\n"
        "def tiny():\n"
        "    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), pool, nn.Linear(8, 10))\n"
        "def nothing():\n"
        "    return 7\n"
    )
    said = bench("profile", "model.py:tiny", "--resolution", "16", "--threads", "1")
    assert said.code == 0, said.errors
    assert "ms (measured, local), 95 % interval" in said.output
    assert "model.py:tiny at 16 pixels on host" in said.output
    assert "share %" in said.output
    assert "gives a int, not a torch.nn.Module" in bench("profile", "model.py:nothing").errors


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("mobilenetv2_10", "mobilenetv2_100"),
        ("torchvision:resnet19", "resnet1"),
        ("missing.py:tiny", "missing.py"),
        ("tiny.py:factory", "'factory'"),
        ("cnn_32_n10/nonsense", "nonsense"),
    ],
)
def test_a_model_that_is_none_is_told(bench, model, expected):
    said = bench("profile", model, "--target", "rk3399", "--runner", "roofline")
    assert said.code == 2, said
    assert expected in said.errors
    assert said.errors.count("\n") == 1


def test_the_size_and_name_of_known_models():
    from blockfront.services.models import find_model

    assert find_model("mobilenetv2_100").resolution == 224
    assert find_model("efficientnet_b1").resolution == 224 + 16 * 0 or find_model("efficientnet_b1").resolution > 224
    assert find_model("torchvision:inception_v3").resolution == 299
    assert find_model(NETWORK).name == NETWORK
    assert find_model(NETWORK, 64).resolution == 64


def test_doctor_finds_this_machine_able(bench):
    said = bench("doctor", "--target", "rk3399", "--json")
    checks = {check["check"]: check for check in json.loads(said.output)}
    assert said.code == 0, checks
    assert checks["storage"]["finding"] == "bench.db can be made"
    assert "torch" in checks["versions"]["finding"]
    assert checks["compile for rk3399"]["ok"]


def test_doctor_names_what_fails(bench):
    said = bench("doctor", "--storage", "nowhere/bench.db")
    assert said.code == 1
    assert "FAILS" in said.output
    assert "there is no folder nowhere" in said.output


def test_doctor_leaves_nothing_behind(bench, tmp_path):
    bench("doctor")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.py"]


def test_a_wrong_command_names_the_near_one(bench):
    said = bench("smaple")
    assert (said.code, said.errors) == (
        2,
        "error: No such command 'smaple'. Did you mean 'sample'? (see bench --help)\n",
    )


def test_the_version_is_the_packages(bench):
    from importlib.metadata import version

    assert bench("--version").output == f"bench {version('bench')}\n"
