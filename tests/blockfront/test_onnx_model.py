"""ONNX files as models: modules that compute what ONNX Runtime does, open sizes, and bad files in a line."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.models import find_model
from blockfront.errors import RunError, UsageError

onnx = pytest.importorskip("onnx", reason="needs the extra peers")
pytest.importorskip("onnx2torch", reason="needs the extra peers")
pytest.importorskip("onnxruntime", reason="needs the extra peers")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 5)

    def forward(self, image):
        features = torch.relu(self.conv(image))
        # As classifiers have it, so that a file has operators on shapes.
        return self.head(features.mean((2, 3)).reshape(image.shape[0], -1))


@pytest.fixture
def net(tmp_path, monkeypatch):
    """The module, and a function that writes it to net.onnx with some sizes open."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    module = Net().eval()

    def write(**open_sizes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = {"image": {int(place[1:]): name for place, name in open_sizes.items()}}
            torch.onnx.export(
                module,
                (torch.zeros(1, 3, 16, 24),),
                "net.onnx",
                dynamo=False,
                opset_version=17,
                input_names=["image"],
                dynamic_axes=axes,
            )

    return module, write


@pytest.mark.parametrize("open_sizes", [{}, {"_0": "batch"}, {"_0": "batch", "_2": "height", "_3": "width"}])
def test_the_module_of_a_file_computes_what_the_exported_one_did(net, open_sizes):
    module, write = net
    write(**open_sizes)
    found = find_model("net.onnx", ImageSize(16, 24))
    assert str(found.signature) == "3x16x24"
    (image,) = found.signature.random(1)
    torch.testing.assert_close(found.build()(image), module(image))


def test_a_file_says_its_own_size(net):
    net[1]()
    assert str(find_model("net.onnx").signature) == "3x16x24"


@pytest.mark.parametrize(
    ("open_sizes", "size", "words"),
    [
        ({"_2": "height"}, ImageSize(), "leaves dimension 2 of input image open: say it with --input CxHxW"),
        ({}, ImageSize(32, 24), "takes image with 16 in dimension 2, not 32"),
        ({}, ImageSize(channels=1), "takes image with 3 in dimension 1, not 1"),
    ],
)
def test_sizes_that_stay_open_or_contradict_the_file_are_refused(net, open_sizes, size, words):
    net[1](**open_sizes)
    with pytest.raises(UsageError, match=words):
        find_model("net.onnx", size)


def _graph(operator, **attributes):
    node = onnx.helper.make_node(operator, ["x"], ["y"], **attributes)
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = onnx.helper.make_graph([node], "graph", [x], [y])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, UsageError, "there is no file net.onnx"),
        (b"no model", UsageError, "net.onnx cannot be read as ONNX"),
        (_graph("NoSuchOperator").SerializeToString(), UsageError, "ONNX Runtime does not run net.onnx"),
        (_graph("Hardmax").SerializeToString(), RunError, "net.onnx cannot be made a torch module"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, monkeypatch, content, error, words):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(error, match=words) as told:
        find_model("net.onnx")
    assert "\n" not in str(told.value)


def test_a_module_that_computes_something_else_is_refused(net, monkeypatch):
    import onnx2torch

    net[1]()
    monkeypatch.setattr(onnx2torch, "convert", lambda model: Net())
    with pytest.raises(RunError, match="is another network as a torch module: output in ONNX Runtime differs"):
        find_model("net.onnx")
