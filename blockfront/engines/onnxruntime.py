"""ONNX Runtime, on its own CPU kernels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.engines.engine import Engine, Inference
from blockfront.engines.onnx_file import write_onnx
from blockfront.signature import Signature

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class OnnxRuntime(Engine):
    """All graph optimisations, as by default; its threads wait for work by spinning, as by default."""

    name = "onnxruntime"
    title = "ONNX Runtime, CPU execution provider"
    packages = ("onnxruntime", "onnx")

    def write(self, module: nn.Module, signature: Signature, folder: Path) -> None:
        """As ONNX."""
        write_onnx(module, signature, folder / "model.onnx")

    def start(self, folder: Path, inputs: Sequence[np.ndarray], threads: int) -> Inference:
        """Threads within an operator; operators one after the other."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        model = str(folder / "model.onnx")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feed = dict(zip((one.name for one in session.get_inputs()), inputs, strict=True))
        return lambda: session.run(None, feed)
