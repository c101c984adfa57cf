"""`bench rank`: known networks from a list to an answer, on the sweep's own path."""

from __future__ import annotations

import json

import pytest

import blockfront
from blockfront import cli
from blockfront.design_space import Network, known_network
from blockfront.design_space.image_size import ImageSize
from blockfront.errors import UsageError
from blockfront.services.accuracy import Accuracies
from blockfront.services.rank import budget_ms
from blockfront.training.scenes import write_scenes
from tests.blockfront.conftest import write_detector

MINE = """
from torch import nn

def net():
    return nn.Conv2d(3, 8, 3)

def refused():
    return nn.Conv2d(4, 8, 3)

def raising():
    raise FileNotFoundError("no weights here")
"""
MODELS = ("test_resnet", "mine.py:net", "mine.py:refused", "mine.py:raising", "timm/test_resnet")
WHERE = ("--target", "rk3399", "--runner", "roofline", "--workers", "1")


@pytest.fixture(scope="module")
def ranked(commands_in, tmp_path_factory):
    """A folder in which networks were ranked, and what was printed."""
    commands = commands_in(tmp_path_factory.mktemp("ranked"))
    (commands.folder / "mine.py").write_text(MINE)
    printed = commands.run("rank", *MODELS, *WHERE, "--within", "1s")
    assert printed.returncode == 0, printed.stderr
    return commands, printed


@pytest.fixture
def again(ranked, monkeypatch, capsys):
    """The same in this process, where nothing is left to compute: exit code and the two streams."""
    commands, _ = ranked
    monkeypatch.chdir(commands.folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run([*arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


pytestmark = pytest.mark.processes


def test_the_first_line_is_the_answer_with_the_sources_of_both_numbers(ranked):
    _, printed = ranked
    first = printed.stdout.splitlines()[0]
    assert first.startswith("test_resnet.r160_in1k is the most accurate of 4 networks within 1000 ms on rk3399")
    assert "% top-1 (published: ImageNet-1k validation, 95 % interval" in first
    assert "ms (predicted by roofline" in first


def test_a_model_that_does_not_run_costs_one_row_with_its_reason(ranked):
    commands, printed = ranked
    frame = blockfront.load("known-rk3399", commands.storage)
    assert list(frame["state"]) == ["complete", "complete", "failed", "failed"]
    assert frame["error"][2].startswith("profile: ")
    assert frame["error"][3] == "profile: mine.py:raising() fails: FileNotFoundError: no weights here"
    for name, reason in zip(("refused", "raising"), frame["error"][2:], strict=True):
        assert f"failed   mine.py:{name}: {reason}" in printed.stdout


def test_a_row_has_the_checkpoint_its_image_size_and_where_its_accuracy_is_from(ranked):
    commands, _ = ranked
    row = blockfront.load("known-rk3399", commands.storage).iloc[0]
    assert (row["checkpoint"], row["resolution"], row["accuracy_source"]) == ("test_resnet.r160_in1k", 160, "published")
    assert row["test_images"] == 50_000
    assert row[["epochs", "train_seconds", "trainings"]].isna().all()


def test_doubled_names_are_said_once(ranked):
    assert "named more than once and taken once: timm/test_resnet" in ranked[1].stderr


def test_the_same_command_computes_nothing_and_prints_json(again):
    code, output, errors = again("rank", *MODELS, *WHERE, "--json", "-q")
    document = json.loads(output)
    assert (code, errors) == (0, "")
    assert document["best"] == known_network("test_resnet").id
    assert (document["ranked_by"], document["budget_ms"]) == ("top1", None)
    assert [row["state"] for row in document["networks"]] == ["complete", "complete", "failed", "failed"]


def test_a_budget_that_nothing_meets_is_said_with_the_nearest(again):
    _, output, _ = again("rank", "test_resnet", *WHERE, "--fps", "1000000")
    lines = output.splitlines()
    assert lines[0] == "None of 1 network within 0.001 ms on rk3399, 2 threads."
    assert lines[1].startswith("Nearest above the budget: test_resnet.r160_in1k, ")


def test_accuracies_of_a_file_replace_published_ones_and_are_named_so(again, ranked):
    commands, _ = ranked
    (commands.folder / "own.csv").write_text("model,top1\nmine.py:net,71.5\ntest_resnet,60\nabsent,2\n")
    _, output, _ = again("rank", *MODELS, *WHERE, "--accuracy", "own.csv")
    assert output.startswith(
        "mine.py:net is the most accurate of 4 networks on rk3399, 2 threads: 71.5 % top-1 (file: "
    )
    assert "rows of own.csv that name none of these networks: 1 of 3 (absent)" in output
    frame = blockfront.load("known-rk3399", commands.storage)
    assert list(frame["accuracy_source"].dropna().unique()) == ["file"]
    _, output, _ = again("rank", *MODELS, *WHERE, "--accuracy", "none")
    assert "is the fastest of 4 networks" in output.splitlines()[0]
    assert "Ranked by latency, because no accuracy is known" in output
    _, output, _ = again("rank", *MODELS, *WHERE)
    assert output.startswith("test_resnet")


def test_a_study_of_known_networks_has_a_report_an_export_and_networks_to_show(again, ranked):
    commands, _ = ranked
    assert again("report", "known-rk3399")[0] == 0
    report = (commands.folder / "report.html").read_text()
    assert "test_resnet.r160_in1k" in report
    assert "4e5207c7 of 2025-10-30" in report
    assert again("export", "known-rk3399", "networks.parquet")[0] == 0
    code, output, _ = again("show", known_network("test_resnet").id)
    assert (code, output.splitlines()[0]) == (0, "known_3x160x160/test_resnet.r160_in1k")


@pytest.mark.parametrize(
    ("within", "fps", "ms"),
    [
        ("9\N{MICRO SIGN}s", None, 0.009),
        ("9\N{GREEK SMALL LETTER MU}s", None, 0.009),
        ("33ms", None, 33),
        ("0.5s", None, 500),
        (" 800 us", None, 0.8),
        (None, 30, 1000 / 30),
        (None, None, None),
    ],
)
def test_a_budget_is_a_time_with_its_unit_or_a_rate(within, fps, ms):
    assert budget_ms(within, fps) == pytest.approx(ms)


@pytest.mark.parametrize(
    ("within", "fps"), [("33", None), ("0ms", None), ("fast", None), ("-3ms", None), (None, 0), (None, -1), ("3ms", 30)]
)
def test_what_is_no_budget_is_refused(within, fps):
    with pytest.raises(UsageError, match=r"--within|--fps"):
        budget_ms(within, fps)


DETECTOR = "det_48_d6/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16/ssdlite_l2_x8_sab.bf.a"


@pytest.mark.long
def test_a_detector_has_a_total_where_its_weights_and_images_are_given_and_says_so_where_not(tmp_path, commands_in):
    commands = commands_in(tmp_path)
    write_scenes(tmp_path / "few", {"train": 2, "val": 4})
    write_detector(tmp_path / "det.safetensors", DETECTOR)
    models = ("det.safetensors", str(Network.parse(DETECTOR)), "test_resnet")
    plain = commands.run("rank", *models, *WHERE, "--accuracy", "none")
    assert plain.returncode == 0, plain.stderr
    assert "2 detectors of these without post-processing, which --dataset times" in plain.stdout
    done = commands.run("rank", *models, *WHERE, "--accuracy", "none", "--dataset", "coco:few", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    trained, random, other = (next(row for row in document["networks"] if name in row["network"]) for name in models)
    profiled = commands.run("profile", "det.safetensors", *WHERE[:4], "--dataset", "coco:few", "--json")
    own = json.loads(profiled.stdout)
    for name in ("postprocess_ms", "candidates", "candidates_p95"):
        assert trained[name] == own[name] > 0
    assert trained["total_ms"] == trained["latency_ms"] + trained["postprocess_ms"]
    assert (random["total_ms"], other["total_ms"], other["total_missing"]) == (None, None, None)
    assert random["total_missing"].startswith("no outputs of the trained network")
    assert any(note.startswith("post-processing of 1 detector as trained") for note in document["notes"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--dataset", "coco:few"], "is to time the post-processing of trained detectors, and none is asked for"),
        (["--weights", "torchvision:ssd300_vgg16=w.pth"], "--weights is for --dataset"),
        (["--weights", "w.pth"], "--weights is NAME=FILE"),
        (["--weights", "torchvision:ssd300_vgg16=none.pth"], "there is no file none.pth"),
        (["--weights", "other=w.pth", "--dataset", "coco:few"], "--weights names other, and no such detector"),
    ],
)
def test_weights_and_images_that_serve_no_detector_are_refused_in_a_line(bench, tmp_path, monkeypatch, options, reason):
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / "few", {"train": 2, "val": 1})
    (tmp_path / "w.pth").write_bytes(b"")
    said = bench("rank", "test_resnet", *WHERE, *options)
    assert said.code == 2
    assert reason in said.errors
    assert said.errors.count("\n") == 1


def test_a_published_accuracy_of_another_image_size_is_left_out_and_said():
    networks = [known_network("resnet18", ImageSize(size, size)) for size in (224, 256, 288)]
    given = Accuracies("imagenet").of(networks)
    tops = [given.trainings[network.id].scores["top1"].value for network in (networks[0], networks[2])]
    assert tops == pytest.approx([0.71504, 0.73164])
    assert networks[1].id not in given.trainings
    assert given.notes == ("no accuracy at this image size; published: resnet18.a1_in1k at 224 and 288 pixels",)
    assert Accuracies("none").of(networks).trainings == {}
