"""OpenVINO on the CPU, from ONNX."""

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


class OpenVino(Engine):
    """Set for latency, and for float32 where the processor has shorter formats."""

    name = "openvino"
    title = "OpenVINO, CPU plug-in"
    packages = ("openvino", "onnx")

    def write(self, module: nn.Module, signature: Signature, folder: Path) -> None:
        """As ONNX, which it reads."""
        write_onnx(module, signature, folder / "model.onnx")

    def start(self, folder: Path, inputs: Sequence[np.ndarray], threads: int) -> Inference:
        """One request, whose tensors are set once."""
        import openvino
        from openvino.properties import hint, inference_num_threads

        settings = {
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            hint.inference_precision: openvino.Type.f32,
            # Else two threads of one physical core, as virtual machines often have, count as one.
            hint.enable_hyper_threading: True,
            inference_num_threads: threads,
        }
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(folder / "model.onnx"), "CPU", settings)
        request = compiled.create_infer_request()
        for i, array in enumerate(inputs):
            request.set_input_tensor(i, openvino.Tensor(array))

        def infer() -> list[np.ndarray]:
            request.infer()
            return [request.get_output_tensor(i).data for i in range(len(compiled.outputs))]

        return infer
