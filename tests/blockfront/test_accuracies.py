"""Files of accuracies: which network a row means, and what is no such file."""

from __future__ import annotations

import re

import pytest

from blockfront.design_space import KnownNetwork, known_network
from blockfront.errors import UsageError
from blockfront.services.accuracy import Accuracies


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "own.csv is empty"),
        ("net,top1\na,1\n", "its first line is: net, top1"),
        ("name,score\na,1\n", "has no column accuracy or top1"),
        ("name,top1\n", "has no rows"),
        ("name,top1\na,0.7\n,0.6\n", "line 3: no name"),
        ("name,top1\na,0.7\na,0.6\n", "line 3: a has a row already"),
        ("name,top1\na,high\n", "line 2: top1 is 'high'"),
        ("name,top1\na,nan\n", "line 2: top1 is 'nan'"),
        ("name,top1\na,700\n", "line 2: top1 is '700'"),
        ("name,top1\na\n", "line 2 of .* has 1 cell, the header 2"),
        ("name,top1\na,\n", "line 2: top1 is ''"),
        ("name,top1\na,5_0\n", "line 2: top1 is '5_0'"),
        ("name,accuracy,top1\na,5,6\n", "has accuracy and top1: leave all but one of these columns out"),
        ("name,model,top1\na,b,6\n", "has name and model: leave all but one of these columns out"),
        ("name,top1,top1\na,5,6\n", "has 2 columns top1; leave one"),
        ("name,top1\na,70\nb,0.676\n", "others not, such as 0.676 of b: give all as shares or all in per cent"),
    ],
)
def test_a_bad_row_of_accuracies_gets_one_line_that_says_where(text, says, tmp_path):
    file = tmp_path / "own.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        Accuracies(str(file))


def test_a_file_in_per_cent_and_one_in_shares_say_the_same(tmp_path):
    network = known_network("resnet18")
    for text in ("name,accuracy\nresnet18,71.5\nb,9\n", "\ufeffname , accuracy\nresnet18.a1_in1k,0.715\n"):
        (tmp_path / "own.csv").write_text(text, encoding="utf-8")
        training = Accuracies(str(tmp_path / "own.csv")).of([network]).trainings[network.id]
        assert training.scores["top1"].value == pytest.approx(0.715)
        assert (training.source, training.dataset, training.test_images) == ("file", "own.csv", None)


def test_a_file_that_names_none_of_the_networks_says_what_it_has_and_what_they_are(tmp_path):
    (tmp_path / "own.csv").write_text("name,accuracy\nresnet50,0.7\nmine,0.8\n")
    own = Accuracies(str(tmp_path / "own.csv"))
    with pytest.raises(UsageError, match=r"names none of these networks: it has resnet50, mine, and they are resnet18"):
        own.value_of([known_network("resnet18")])
    own.value_of([known_network("resnet50"), known_network("resnet18")])
    Accuracies("none").value_of([known_network("resnet18")])


def test_a_file_that_is_no_text_is_told_so(tmp_path):
    (tmp_path / "own.csv").write_bytes(b"name,accuracy\n\xff\xfe,1\n")
    with pytest.raises(UsageError, match=r"cannot read .*own.csv: it is no UTF-8 text"):
        Accuracies(str(tmp_path / "own.csv"))


def test_two_rows_for_one_network_are_refused(tmp_path):
    (tmp_path / "own.csv").write_text("name,accuracy\nresnet18,0.7\nresnet18.a1_in1k,0.8\n")
    with pytest.raises(UsageError, match=r"several rows for one network: resnet18.a1_in1k, resnet18"):
        Accuracies(str(tmp_path / "own.csv")).of([known_network("resnet18")])


def test_columns_without_a_value_are_no_other_accuracies(tmp_path):
    network = known_network("resnet18")
    (tmp_path / "own.csv").write_text(f"network,top1,ap,miou\n{network},0.7,,\n")
    assert Accuracies(str(tmp_path / "own.csv")).value_of([network]) == "top1"


NETWORKS = (
    "mobilenetv3_small_050",
    "mobilenetv3_small_050.onnx",
    "mobilenetv3_small_050.pruned.onnx",
    "nets/model.v1.onnx",
    "nets/model.v2.onnx",
    "mine.py:plain",
    "mine.py:pool",
    "a/same.onnx",
    "b/same.onnx",
)


def _of_file(tmp_path, *names):
    """What a file that names these gives to `NETWORKS`, by name."""
    (tmp_path / "own.csv").write_text("".join(f"{line}\n" for line in ("name,accuracy", *(f"{n},70" for n in names))))
    networks = [known_network(name) if name == NETWORKS[0] else KnownNetwork(name, "3x64x64") for name in NETWORKS]
    trainings = Accuracies(str(tmp_path / "own.csv")).of(networks).trainings
    return [name for name, network in zip(NETWORKS, networks, strict=True) if network.id in trainings]


@pytest.mark.parametrize(
    ("row", "meant"),
    [
        *((name, name) for name in NETWORKS),
        ("mobilenetv3_small_050.lamb_in1k", "mobilenetv3_small_050"),
        ("timm/mobilenetv3_small_050", "mobilenetv3_small_050"),
        ("known_3x64x64/mine.py:pool", "mine.py:pool"),
        ("model.v2.onnx", "nets/model.v2.onnx"),
        ("./nets/model.v2.onnx", "nets/model.v2.onnx"),
        ("nets\\model.v2.onnx", "nets/model.v2.onnx"),
        ("/home/me/nets/model.v2.onnx", "nets/model.v2.onnx"),
        ("else/where/mine.py:pool", "mine.py:pool"),
        ("here/timm/mine.py:pool", "mine.py:pool"),
        ("timm/mine.py:pool", "mine.py:pool"),
    ],
)
def test_a_row_means_the_network_of_its_whole_name_with_or_without_folders(tmp_path, row, meant):
    assert _of_file(tmp_path, row) == [meant]


@pytest.mark.parametrize(
    "row", ["model", "model.v1", "mine", "mine.py", "mine.py:po", "pool", "mobilenetv3_small_050.other", "odel.v1.onnx"]
)
def test_a_part_of_a_files_name_means_none(tmp_path, row):
    assert _of_file(tmp_path, row) == []


def test_a_row_of_a_file_that_is_in_two_folders_is_refused_unless_one_has_just_that_name(tmp_path):
    with pytest.raises(
        UsageError, match=r"same\.onnx of own\.csv fits a/same\.onnx and b/same\.onnx: write its folders"
    ):
        _of_file(tmp_path, "same.onnx")
    assert _of_file(tmp_path, "a/same.onnx", "x/b/same.onnx") == ["a/same.onnx", "b/same.onnx"]


def test_networks_are_told_by_the_names_that_they_were_given_by(tmp_path):
    (tmp_path / "own.csv").write_text("name,accuracy\nother,0.7\n")
    own = Accuracies(str(tmp_path / "own.csv"))
    for name in NETWORKS[1:]:
        with pytest.raises(UsageError, match=rf"and they are {re.escape(name)}$"):
            own.value_of([KnownNetwork(name, "3x64x64")])
    for name in ("mobilenetv3_small_050", "resnet18.a2_in1k"):
        with pytest.raises(UsageError, match=rf"and they are {re.escape(name)}$"):
            own.value_of([known_network(name)])
