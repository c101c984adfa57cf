"""ONNX Runtime's convolutions between quantisers give the bits of ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.signature import Signature
from blockfront.targets.quantization.quantizing import calibrated

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

CASES = {
    "1x1": (nn.Conv2d(16, 24, 1), False),
    "1x1 with ReLU": (nn.Conv2d(16, 24, 1), True),
    "3x3 with a stride": (nn.Conv2d(16, 32, 3, 2, 1), True),
    "depthwise 3x3": (nn.Conv2d(16, 16, 3, 1, 1, groups=16), True),
    "depthwise 5x5": (nn.Conv2d(16, 16, 5, 2, 2, groups=16), False),
    "grouped": (nn.Conv2d(16, 32, 3, 1, 1, groups=4), False),
}


def _onnx_outputs(
    convolution: nn.Conv2d, biases: np.ndarray, relu: bool, source, result, images: np.ndarray
) -> np.ndarray:
    """The uint8 output of quantise, convolve and quantise in ONNX Runtime, by scales and zero points of ours."""
    from onnx import TensorProto, helper, numpy_helper

    weight = convolution.weight.detach().numpy()
    scales = (np.abs(weight).reshape(len(weight), -1).max(1) / np.float32(127)).astype(np.float32)
    steps = np.clip(np.rint(weight / scales[:, None, None, None]), -127, 127).astype(np.int8)
    bias_scale = (scales * np.float32(source.scale)).astype(np.float32)
    bias = np.rint(biases.astype(np.float64) / (scales.astype(np.float64) * source.scale))
    constants = {
        "weight": steps,
        "weight_scale": scales,
        "weight_zero": np.zeros(len(weight), np.int8),
        "bias": bias.astype(np.int32),
        "bias_scale": bias_scale,
        "bias_zero": np.zeros(len(weight), np.int32),
        **{
            f"{name}_{what}": value
            for name, affine in (("in", source), ("out", result))
            for what, value in (("scale", np.float32(affine.scale)), ("zero", np.uint8(affine.zero_point + 128)))
        },
    }
    made = [
        helper.make_node("QuantizeLinear", ["x", "in_scale", "in_zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "in_scale", "in_zero"], ["x_again"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["bias", "bias_scale", "bias_zero"], ["b"], axis=0),
        helper.make_node(
            "Conv",
            ["x_again", "w", "b"],
            ["y"],
            pads=list(convolution.padding) * 2,
            strides=list(convolution.stride),
            group=convolution.groups,
        ),
        *([helper.make_node("Relu", ["y"], ["r"])] if relu else []),
        helper.make_node("QuantizeLinear", ["r" if relu else "y", "out_scale", "out_zero"], ["out"]),
    ]
    graph = helper.make_graph(
        made,
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, images.shape)],
        [helper.make_tensor_value_info("out", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    # Without VNNI it adds products in int16 else, which saturates.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images})[0]


@pytest.mark.parametrize("case", CASES)
def test_convolutions_equal_those_of_onnx_runtime_bit_for_bit(case: str) -> None:
    convolution, relu = CASES[case]
    torch.manual_seed(0)
    for parameter in convolution.parameters():
        nn.init.uniform_(parameter, -0.3, 0.3)
    module = nn.Sequential(convolution, *([nn.ReLU()] if relu else [])).eval()
    signature, images = Signature.image(14, channels=16), torch.randn(2, 16, 14, 14)
    quantizer = calibrated(module, signature, [(images,)])
    source, result = (
        affine for _, affine in sorted(quantizer.affines.items(), key=lambda pair: pair[0].op, reverse=True)
    )
    # On the steps of the input, since ONNX Runtime divides by the scale and ours multiplies by its inverse.
    images = (source.steps(images).float() - source.zero_point) * source.scale
    with torch.no_grad():
        ours = quantizer.network()(images).numpy()
    (correction,) = quantizer.corrections.values()
    biases = (convolution.bias.detach() + correction).numpy()
    theirs = _onnx_outputs(convolution, biases, relu, source, result, images.numpy())
    assert np.array_equal(np.rint(ours / np.float32(result.scale)) + result.zero_point + 128, theirs)
