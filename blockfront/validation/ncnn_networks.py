"""The networks of ncnn's own benchmark: their structure, without weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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

    @property
    def param(self) -> Path:
        """ncnn's description of it."""
        return FOLDER / f"{self.name}.param"

    @property
    def warm_ups(self) -> int:
        """Inferences before the one that counts."""
        return 0 if self.name in _LARGE else 1


_PIXELS = {
    **dict.fromkeys(("squeezenet", "alexnet"), 227),
    "blazeface": 128,
    **dict.fromkeys(("squeezenet_ssd", "mobilenet_ssd"), 300),
    **dict.fromkeys(("nanodet_m", "yolo-fastest-1.1"), 320),
    **dict.fromkeys(("mobilenetv2_yolov3", "yolo-fastestv2", "FastestDet"), 352),
    "vision_transformer": 384,
    **dict.fromkeys(("mobilenet_yolo", "yolov4-tiny"), 416),
}
NETWORKS = {
    path.stem: BenchmarkNetwork(path.stem, (_PIXELS.get(path.stem, 224),) * 2 + (3,))
    for path in sorted(FOLDER.glob("*.param"))
}
"""By name; input sizes as in benchncnn.cpp, 224 where nothing else is said there."""
