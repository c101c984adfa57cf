"""ncnn, converted by pnnx."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.engines.engine import Engine, Inference
from blockfront.errors import RunError
from blockfront.signature import Signature

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class Ncnn(Engine):
    """In float32; everything else as ncnn has it, Winograd and packed layouts among it."""

    name = "ncnn"
    title = "ncnn, converted by pnnx"
    packages = ("ncnn", "pnnx")

    def write(self, module: nn.Module, signature: Signature, folder: Path) -> None:
        """By pnnx; raises `RunError` for what is no image classifier to it."""
        from pnnx import EXEC_PATH

        from blockfront.engines.ncnn_conversion import convert

        if not signature.is_image:
            raise RunError(f"ncnn takes one image here, not {signature}")
        convert(module, signature, folder, Path(EXEC_PATH))

    def start(self, folder: Path, inputs: Sequence[np.ndarray], threads: int) -> Inference:
        """ncnn knows no batch: outputs get theirs back."""
        import numpy as np

        (image,) = inputs
        infer = load_ncnn(folder, image[0], threads)
        return lambda: [np.asarray(output)[None] for output in infer()]


def load_ncnn(folder: Path, image: np.ndarray, threads: int) -> Callable[[], list[Any]]:
    """One inference of the network in `folder`, of an image without batch; gives ncnn's own tensors."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
        if hasattr(net.opt, f"use_{option}"):
            setattr(net.opt, f"use_{option}", False)
    net.load_param(str(folder / "model.ncnn.param"))
    net.load_model(str(folder / "model.ncnn.bin"))
    matrix, outputs = ncnn.Mat(image).clone(), net.output_names()

    def infer() -> list[Any]:
        extractor = net.create_extractor()
        extractor.input("in0", matrix)
        return [extractor.extract(name)[1] for name in outputs]

    return infer
