"""ONNX's operators of every version in the forms that exporters write: what is read computes what ONNX Runtime does."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.design_space.image_size import OWN_SIZE
from blockfront.design_space.known import known_network
from blockfront.design_space.models import find_model
from blockfront.errors import RunError, UsageError

onnx = pytest.importorskip("onnx", reason="needs the extra peers")
pytest.importorskip("onnx2torch", reason="needs the extra peers")
pytest.importorskip("onnxruntime", reason="needs the extra peers")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


def _constant(name: str, values: Any) -> Any:
    return onnx.numpy_helper.from_array(np.asarray(values), name)


WEIGHTS = _constant("w", np.linspace(-1, 1, 4 * 8 * 3 * 3).reshape(4, 8, 3, 3).astype(np.float32))
SIZES = {"sizes": _constant("sizes", np.array([1, 8, 14, 18], np.int64))}
AXES = {"axes": _constant("axes", np.array([2, 3], np.int64))}


def write(path: Path, nodes: list[Any], version: int = 17, constants: Any = (), **declared: Any) -> Path:
    """A file with nodes from x (1, 8, 7, 9) to y, or as `declared` says."""
    inputs = declared.get("inputs") or [helper.make_tensor_value_info("x", FLOAT, [1, 8, 7, 9])]
    outputs = declared.get("outputs") or [helper.make_tensor_value_info("y", FLOAT, None)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", version)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=min(10, 3 if version < 9 else 10)), str(path))
    return path


def node(operator: str, inputs: str = "x", outputs: str = "y", **attributes: Any) -> Any:
    names = [name.replace("-", "") for name in inputs.split()]
    return helper.make_node(operator, names, outputs.split(), **attributes)


PARTS = [node("Split", "x", "a b", axis=1, num_outputs=2), node("Concat", "b a", axis=1)]
UNEVEN = [node("Split", "x", "a b c", axis=1, num_outputs=3), node("Concat", "c a b", axis=1)]
NORM = {"scale": _constant("scale", np.ones(8, np.float32)), "bias": _constant("bias", np.ones(8, np.float32))}
PADS = {"pads": _constant("pads", np.array([1, 0, 2, 3], np.int64)), **AXES}
FORMS: dict[str, tuple[list[Any], int, dict[str, Any]]] = {
    "a mean over dimensions that are an input": ([node("ReduceMean", "x axes", keepdims=0)], 18, AXES),
    "a mean over all dimensions": ([node("ReduceMean", "x")], 20, {}),
    "a maximum of a newer version": ([node("ReduceMax", "x axes")], 20, AXES),
    "a sum over dimensions that are an input": ([node("ReduceSum", "x axes")], 13, AXES),
    "a number of parts": (PARTS, 18, {}),
    "a number of uneven parts": (UNEVEN, 18, {}),
    "a border of some dimensions": ([node("Pad", "x pads - axes")], 18, PADS),
    "resizing with what is usual said": (
        [node("Resize", "x - - sizes", mode="linear", antialias=0, keep_aspect_ratio_policy="stretch")],
        19,
        SIZES,
    ),
    "a shape whose zeros would mean nothing": (
        [node("Reshape", "x shape", allowzero=1)],
        17,
        {"shape": _constant("shape", np.array([1, -1], np.int64))},
    ),
    "the size kept, more at the end": (
        [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])],
        17,
        {"w": WEIGHTS},
    ),
    "the size kept, more at the begin": (
        [node("Conv", "x w", auto_pad="SAME_LOWER", strides=[2, 2])],
        17,
        {"w": WEIGHTS},
    ),
    "nothing added": ([node("Conv", "x w", auto_pad="VALID")], 17, {"w": WEIGHTS}),
    "a maximum of the size kept": (
        [node("MaxPool", auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2])],
        17,
        {},
    ),
    "a mean of the size kept": (
        [node("AveragePool", auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2])],
        17,
        {},
    ),
    "the largest of all": ([node("GlobalMaxPool")], 17, {}),
    "blocks of depth first": ([node("DepthToSpace", blocksize=2)], 17, {}),
    "blocks of depth last": ([node("DepthToSpace", blocksize=2, mode="CRD")], 17, {}),
    "GELU": ([node("Gelu")], 20, {}),
    "GELU by tanh": ([node("Gelu", approximate="tanh")], 20, {}),
    "mish": ([node("Mish")], 18, {}),
    "normalisation by groups": ([node("GroupNormalization", "x scale bias", num_groups=2)], 21, NORM),
    "an activation of a newer version": ([node("HardSwish")], 22, {}),
    "a matrix product of an old version": (
        [node("Flatten", "x", "flat"), node("Gemm", "flat k zero")],
        7,
        {"k": _constant("k", np.eye(504, 3, dtype=np.float32)), "zero": _constant("zero", np.ones(3, np.float32))},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read_as_onnx_runtime_has_it(tmp_path: Path, form: str) -> None:
    nodes, version, constants = FORMS[form]
    inputs = [helper.make_tensor_value_info("x", FLOAT, [1, 8, 7, 9])]
    if version < 9:  # Constants were inputs too.
        inputs += [helper.make_tensor_value_info(name, FLOAT, one.dims) for name, one in constants.items()]
    path = write(tmp_path / "form.onnx", nodes, version, constants.values(), inputs=inputs)
    assert str(find_model(str(path)).signature) == "8x7x9"  # Reading compares the outputs.


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = nn.functional.hardswish(self.norm(self.conv(image)))
        return self.head(features.mean((2, 3)).reshape(image.shape[0], -1))


@pytest.mark.parametrize(
    ("version", "dynamo"), [(7, False), (9, False), (13, False), (18, True), (20, True), (23, True)]
)
def test_what_torch_exports_is_read_whatever_the_version(tmp_path: Path, version: int, dynamo: bool) -> None:
    if dynamo:
        pytest.importorskip("onnxscript", reason="needs the extra peers")
    module, path = Net().eval(), tmp_path / "net.onnx"
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module, (torch.zeros(1, 3, 16, 24),), str(path), dynamo=dynamo, opset_version=version, verbose=False
        )
    image = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        torch.testing.assert_close(find_model(str(path)).build()(image), module(image), rtol=1e-4, atol=1e-5)


NAMES = ("input.1", "in put/0:x", "import", "1", "x, z=__import__('pathlib').Path('written').touch()", "größe")


@pytest.mark.parametrize("name", NAMES)
def test_an_input_of_any_name_is_one_that_code_can_hold(tmp_path: Path, monkeypatch: Any, name: str) -> None:
    """torch writes graphs as Python, with the names of their inputs."""
    monkeypatch.chdir(tmp_path)
    inputs = [helper.make_tensor_value_info(one, FLOAT, [1, 4]) for one in (name, "other")]
    write(tmp_path / "net.onnx", [helper.make_node("Sub", [name, "other"], ["y"])], inputs=inputs)
    model = find_model("net.onnx")
    mine, other = (one.name for one in model.signature.inputs)
    assert mine.isidentifier()
    assert other == "other"
    a, b = torch.rand(1, 4), torch.rand(1, 4)
    traced = torch.fx.symbolic_trace(model.build())
    assert torch.equal(traced(a, b), a - b)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_names_that_become_the_same_stay_apart(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info(one, FLOAT, [1, 4]) for one in ("a.b", "a_b", "a/b")]
    path = write(tmp_path / "net.onnx", [helper.make_node("Sum", ["a.b", "a_b", "a/b"], ["y"])], inputs=inputs)
    assert [one.name for one in find_model(str(path)).signature.inputs] == ["a_b", "a_b_1", "a_b_2"]


SEQUENCE = helper.make_tensor_sequence_value_info("x", FLOAT, [1, 4])
BARE = helper.make_value_info("x", helper.make_tensor_type_proto(FLOAT, None))
RELU = node("Relu")


@pytest.mark.parametrize(
    ("nodes", "declared", "words"),
    [
        ([node("SequenceAt", "x k")], {"inputs": [SEQUENCE]}, "takes x, which is no tensor"),
        ([RELU], {"inputs": [BARE]}, "leaves the shape of input x open"),
        ([RELU], {"inputs": [helper.make_tensor_value_info("x", FLOAT, [1, 0])]}, "with 0 in dimension 1, which holds"),
        ([RELU], {"inputs": [helper.make_tensor_value_info("x", FLOAT, [4, 8, 7, 9])]}, "with a batch of 1"),
        ([RELU, node("Relu", "k", "z")], {"outputs": [helper.make_tensor_value_info("z", FLOAT, None)]}, "output z is"),
        ([], {"outputs": [helper.make_tensor_value_info("x", FLOAT, [1, 8, 7, 9])]}, "output x is computed by no"),
    ],
)
def test_what_cannot_be_profiled_is_told_with_its_reason(
    tmp_path: Path, nodes: list[Any], declared: dict[str, Any], words: str
) -> None:
    constants = [_constant("k", np.int64(0) if "SequenceAt" in str(nodes) else np.ones((1, 4), np.float32))]
    path = write(tmp_path / "net.onnx", nodes, 17, constants, **declared)
    with pytest.raises(UsageError, match=words) as told:
        find_model(str(path))
    assert "\n" not in str(told.value)


def test_a_file_that_torch_has_no_module_for_is_a_network_that_fails(tmp_path: Path) -> None:
    scale = [_constant("s", np.float32(0.1)), _constant("z", np.int8(0))]
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]
    path = write(tmp_path / "quantized.onnx", nodes, 19, scale)
    network = known_network(str(path), OWN_SIZE)
    with pytest.raises(RunError, match=r"does not know QuantizeLinear; give the network in float32"):
        network.build()


def test_a_file_in_float16_is_read_as_it_is(tmp_path: Path) -> None:
    half = onnx.TensorProto.FLOAT16
    x, y = helper.make_tensor_value_info("x", half, [1, 8]), helper.make_tensor_value_info("y", half, [1, 3])
    weights = _constant("w", np.linspace(-1, 1, 24).reshape(8, 3).astype(np.float16))
    path = write(tmp_path / "half.onnx", [node("MatMul", "x w")], 17, [weights], inputs=[x], outputs=[y])
    assert str(find_model(str(path)).signature) == "x 1x8 float16"
