"""`bench profile`, `doctor` and the lists."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.models import find_model
from blockfront.results import COLUMNS
from blockfront.signature import Signature

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


def test_a_data_set_shows_its_classes_and_what_is_left_out(bench, tmp_path):
    for part, images in (("Train", 3), ("Test", 2)):
        for shade, label in enumerate(("cat", "dog")):
            folder = tmp_path / "pets" / part / label
            folder.mkdir(parents=True)
            for i in range(images):
                Image.new("L", (2, 2), 100 * shade + 10 * images + i).save(folder / f"{i}.png")
    (tmp_path / "pets" / "Train" / "cat" / "Thumbs.db").write_text("no picture")
    (tmp_path / "pets" / "Train" / "fox").mkdir()
    said = bench("datasets", "folder:pets")
    rows = [line.split() for line in said.output.splitlines()]
    assert rows[:3] == [["class", "train_images", "test_images"], ["cat", "3", "2"], ["dog", "3", "2"]]
    document = json.loads(bench("datasets", "folder:pets", "--json").output)
    assert said.output.splitlines()[4:] == [
        f"folder:{tmp_path / 'pets'}: 2 classes, 6 training and 4 test images",
        "no class, for want of pictures: Train/fox",
        "skipped as no picture: 1 (Train/cat/Thumbs.db)",
    ]
    assert document["notes"] == said.output.splitlines()[5:]
    assert document["classes"][0] == {"class": "cat", "train_images": 3, "test_images": 2}


@pytest.mark.compiles
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
        "input",
        "adaptations",
        "scores",
        "curve",
        "accuracy_from",
        "traceback",
        "unscheduled_kernel_names",
        "latency_samples_ms",
        "visits",
        "kernels",
        "npu",
        "peak",
        "coverage",
        "versions",
        "conditions",
    }


@pytest.mark.compiles
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


def profiled(bench, *call: str) -> dict[str, object]:
    said = bench("profile", *call, "--target", "rk3399", "--runner", "roofline", "--json", "--quiet")
    assert (said.code, said.errors) == (0, ""), said
    return json.loads(said.output)


@pytest.mark.compiles
def test_an_image_of_any_shape_and_channels_is_profiled(bench, tmp_path):
    (tmp_path / "model.py").write_text(
        "import timm\n"
        "def grey():\n"
        "    return timm.create_model('test_byobnet', in_chans=1)\n"
        "def levels():\n"
        "    return timm.create_model('test_byobnet', features_only=True)\n"
    )
    grey = profiled(bench, "model.py:grey", "--input", "1x32x48")
    assert (grey["input"], grey["resolution"]) == ("1x32x48", None)
    assert profiled(bench, "test_byobnet", "--input", "32x48", "--channels", "1")["macs"] == grey["macs"]
    colour = profiled(bench, "model.py:levels", "--input", "32x48")
    assert colour["input"] == "3x32x48"
    assert max(grey["max_rel_error"], colour["max_rel_error"]) <= 1e-4


@pytest.mark.compiles
def test_what_takes_no_image_says_so_itself(bench, tmp_path):
    (tmp_path / "model.py").write_text(
        "from torch import nn\n"
        "from blockfront.signature import Input, Signature\n"
        "def words():\n"
        "    module = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 8))\n"
        "    module.signature = Signature((Input('ids', (1, 6), 'int64', below=50),))\n"
        "    return module\n"
    )
    words = profiled(bench, "model.py:words")
    assert (words["input"], words["resolution"], words["macs"]) == ("ids 1x6 int64", None, 6 * 16 * 8)
    said = bench("profile", "model.py:words", "--channels", "1")
    assert (said.code, said.errors.count("\n")) == (2, 1)
    assert "the model takes ids 1x6 int64" in said.errors


@pytest.mark.compiles
def test_a_segmenting_network_of_torchvision_agrees_with_torch(bench):
    found = profiled(bench, "torchvision:lraspp_mobilenet_v3_large", "--input", "64x96")
    assert 0 < found["max_rel_error"] <= 1e-4
    assert found["unscheduled_kernels"] == 0


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("test_byobnet --input wide", "'wide' is no size: give CHANNELSxHEIGHTxWIDTH"),
        ("test_byobnet --input 64x96 --resolution 64", "leave --resolution out"),
        (f"{NETWORK} --input 32x64", "takes square images with 3 channels, not 3x32x64"),
        (f"{NETWORK} --channels 1", "takes square images with 3 channels, not 1x32x32"),
    ],
)
def test_an_input_that_cannot_be_is_told(bench, call, expected):
    said = bench("profile", *call.split(), "--target", "rk3399", "--runner", "roofline")
    assert (said.code, said.errors.count("\n")) == (2, 1), said
    assert expected in said.errors


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("mobilenetv2_10", "mobilenetv2_100"),
        ("torchvision:resnet19", "resnet1"),
        ("missing.py:tiny", "missing.py"),
        ("tiny.py:factory", "'factory'"),
        ("cnn_32_n10/nonsense", "nonsense"),
        ("timm/mobilenetv2_10", "mobilenetv2_100"),
        ("hf_hub:google/vit", "nothing is downloaded"),
        ("resnet50.a1_in2k", "did you mean resnet50.a1_in1k"),
        ("tiny.py", "give tiny.py:NAME"),
        ("models/net.onnx", "there is no file models/net.onnx"),
        ("models/net.tflite", "give the torch module"),
    ],
)
def test_a_model_that_is_none_is_told(bench, model, expected):
    said = bench("profile", model, "--target", "rk3399", "--runner", "roofline")
    assert said.code == 2, said
    assert expected in said.errors
    assert said.errors.count("\n") == 1


def test_the_size_and_name_of_known_models():
    assert find_model("mobilenetv2_100").signature == Signature.image(224)
    assert find_model("efficientnet_b1").signature == Signature.image(240)
    assert find_model("vit_base_patch16_sapiens2").signature == Signature.image(1024, 768)
    assert find_model("torchvision:inception_v3").signature == Signature.image(299)
    assert find_model("torchvision:lraspp_mobilenet_v3_large").signature == Signature.image(520)
    for prefix in ("", "timm/", "hf_hub:timm/", "hf-hub:timm/"):
        tagged = find_model(f"{prefix}convnextv2_nano.fcmae_ft_in22k_in1k_384")
        assert (tagged.name, tagged.signature) == ("convnextv2_nano.fcmae_ft_in22k_in1k_384", Signature.image(384))
    assert find_model(NETWORK).name == NETWORK
    assert find_model(NETWORK, ImageSize(64, 64)).signature == Signature.image(64)


@pytest.mark.emulates
def test_doctor_finds_this_machine_able(bench):
    said = bench("doctor", "--target", "rk3399", "--json")
    checks = {check["check"]: check for check in json.loads(said.output)}
    assert said.code == 0, checks
    assert checks["storage"]["finding"] == "bench.db can be made"
    assert "torch" in checks["versions"]["finding"]
    assert "for rk3399 by apache-tvm" in checks["toolchain tvm"]["finding"]
    assert {f"runner {name}" for name in ("rpc", "emulated", "roofline")} <= set(checks)


@pytest.mark.compiles
def test_doctor_names_what_fails(bench):
    said = bench("doctor", "--storage", "nowhere/bench.db")
    assert said.code == 1
    assert "FAILS" in said.output
    assert "there is no folder nowhere" in said.output


@pytest.mark.compiles
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

    assert bench("--version").output == f"blockfront {version('blockfront')}\n"


TALKATIVE = """
import os, subprocess, sys
from torch import nn

def net():
    print("the net is built")
    os.write(1, b"and so is its library\\n")
    subprocess.run([sys.executable, "-c", "print('a child says so')"], check=True)
    return nn.Conv2d(3, 4, 3)
"""


@pytest.mark.compiles
def test_what_a_users_code_prints_is_beside_the_document(commands):
    (commands.folder / "talkative.py").write_text(TALKATIVE)
    call = ("profile", "talkative.py:net", "--target", "rk3399", "--runner", "roofline", "--input", "8x8", "--quiet")
    said = commands.run(*call, "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["model"] == "talkative.py:net"
    for line in ("the net is built", "and so is its library", "a child says so"):
        assert line in said.stderr
    assert "a child says so" in commands.run(*call).stdout
