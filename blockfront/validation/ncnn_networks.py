"""The networks of ncnn's own benchmark: their structure, without weights.

Those in int8 are those in float32 with what ncnn's quantiser adds to a description: that a layer is integer, and
whether its results are. By these rules they are, flag by flag, those of ncnn's benchmark in July 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from blockfront.validation.ncnn_layers import NcnnLayer, layers_of

FOLDER = Path(__file__).with_name("networks")
# Their weights fill any cache many times, so that an inference before leaves nothing behind.
_LARGE = {
    *("alexnet", "googlenet", "resnet18", "resnet50", "vgg16", "vision_transformer"),
    *("mobilenet_ssd", "mobilenet_yolo", "mobilenetv2_yolov3", "squeezenet_ssd", "yolov4-tiny"),
}


@dataclass(frozen=True)
class BenchmarkNetwork:
    """A network by the name it has in benchncnn; `shape` is width, height and channels of its image."""

    name: str
    shape: tuple[int, int, int]

    @cached_property
    def param(self) -> str:
        """ncnn's description of it."""
        plain = self.name.removesuffix(_INT8)
        text = (FOLDER / f"{plain}.param").read_text("utf-8")
        return text if plain == self.name else _quantized(text, linear=plain in _LINEAR_TOO)

    @property
    def warm_ups(self) -> int:
        """Inferences before the one that counts."""
        return 0 if self.name.removesuffix(_INT8) in _LARGE else 1


def _quantized(param: str, linear: bool) -> str:
    """The description with parameter 8 where a layer is integer: 1 for depthwise convolutions, 2 for all others, and
    100 more where what it gives goes to nothing but integer convolutions, so that it gives bytes at once."""
    layers = layers_of(param)
    users: dict[str, list[NcnnLayer]] = {}
    for layer in layers:
        for name in layer.inputs:
            users.setdefault(name, []).append(layer)
    integer = {"Convolution", "ConvolutionDepthWise"} | ({"InnerProduct"} if linear else set())

    def integer_alone(name: str) -> bool:
        found = users.get(name, [])
        return bool(found) and all(
            all(map(integer_alone, user.outputs)) if user.kind == "Split" else user.kind in integer for user in found
        )

    head, lines = param.splitlines()[:2], []
    for layer, line in zip(layers, param.splitlines()[2:], strict=True):
        if layer.kind in integer:
            flag = 1 if layer.kind == "ConvolutionDepthWise" else 2
            bytes_at_once = layer.kind != "InnerProduct" and integer_alone(layer.outputs[0])
            line = f"{line} 8={flag + 100 * bytes_at_once}"
        lines.append(line)
    return "\n".join([*head, *lines, ""])


_PIXELS = {
    **dict.fromkeys(("squeezenet", "alexnet"), 227),
    "blazeface": 128,
    **dict.fromkeys(("squeezenet_ssd", "mobilenet_ssd"), 300),
    **dict.fromkeys(("nanodet_m", "yolo-fastest-1.1"), 320),
    **dict.fromkeys(("mobilenetv2_yolov3", "yolo-fastestv2", "FastestDet"), 352),
    "vision_transformer": 384,
    **dict.fromkeys(("mobilenet_yolo", "yolov4-tiny"), 416),
}
_INT8 = "_int8"
_QUANTIZED = (
    *("squeezenet", "mobilenet", "googlenet", "resnet18", "resnet50", "vgg16"),
    *("squeezenet_ssd", "mobilenet_ssd"),
)
# Of these the linear layers are integer too.
_LINEAR_TOO = ("mobilenet", "vgg16")
_NAMES = sorted(path.stem for path in FOLDER.glob("*.param"))
NETWORKS = {
    name: BenchmarkNetwork(name, (_PIXELS.get(name.removesuffix(_INT8), 224),) * 2 + (3,))
    for name in (*_NAMES, *(name + _INT8 for name in _QUANTIZED))
}
"""By name; input sizes as in benchncnn.cpp, 224 where nothing else is said there."""
