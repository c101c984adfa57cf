"""A module as an ONNX file, by torch's exporter."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from blockfront.errors import RunError, first_line
from blockfront.signature import Signature
from blockfront.targets.compiler.outputs import Output, compare_all, disagreement, tensors, worst


class _Flat(nn.Module):
    """The outputs as a tuple, in order, as a compiled network gives them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensors(self.network(*inputs)).values())


def export_onnx(module: nn.Module, signature: Signature, names: list[str], path: Path) -> str | None:
    """Write `module` as ONNX, weights inside; None, or in a line why there is no such file.

    `names` are those of the outputs, in their order. torch's exporter that traces takes a quarter of the time of the
    one that is its default, and no packages; what it cannot export, the other may.
    """
    inputs = [one.name for one in signature.inputs]
    options: dict[str, Any] = {"input_names": inputs, "output_names": names, "external_data": False, "verbose": False}
    reason = None
    for dynamo in (False, True):
        if dynamo and find_spec("onnxscript") is None:
            return f"{reason}; torch's other exporter may, and needs onnxscript: pip install 'blockfront[peers]'"
        try:
            with warnings.catch_warnings(action="ignore"), torch.no_grad():
                torch.onnx.export(_Flat(module), signature.random(0), str(path), dynamo=dynamo, **options)
            return None
        except Exception as error:  # Whatever of torch's exporter fails for this module.
            path.unlink(missing_ok=True)
            reason = f"torch cannot export it: {' '.join(first_line(error).split())[:200]}"
    return reason


def compare_onnx(path: Path, signature: Signature, outputs: tuple[Output, ...]) -> float | None:
    """The largest relative error of an ONNX file in ONNX Runtime; None where that is not installed.

    `outputs` are torch's for the inputs of seed 0. Raises RunError when one is further off than it may be.
    """
    if find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    samples = [sample.numpy() for sample in signature.random(0)]
    errors = compare_all(outputs, session.run(None, dict(zip(names, samples, strict=True))))
    wrong = disagreement(errors, "of model.onnx in ONNX Runtime")
    if wrong is not None:
        raise RunError(wrong)
    return worst(errors)[1]
