"""A module as an ONNX file, by torch's exporter."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError, first_line

if TYPE_CHECKING:
    from torch import nn

    from blockfront.signature import Signature
    from blockfront.targets.compiler.outputs import Output

EXTRA = "pip install 'blockfront[peers]'"
"""What brings torch's exporter all that it needs, and ONNX Runtime."""


def export_onnx(module: nn.Module, signature: Signature, names: list[str], path: Path) -> str | None:
    """Write `module` as ONNX, weights inside; None, or in a line why there is no such file.

    `names` are those of the outputs, in their order.
    """
    import torch
    from torch import nn

    from blockfront.targets.compiler.outputs import tensors

    if find_spec("onnxscript") is None:
        return f"torch's exporter needs onnxscript: {EXTRA}"

    class Flat(nn.Module):
        """The outputs as a tuple, in order, as a compiled network gives them."""

        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, *inputs: Any) -> Any:
            return tuple(tensors(self.network(*inputs)).values())

    inputs = [one.name for one in signature.inputs]
    options = {"input_names": inputs, "output_names": names, "external_data": False, "verbose": False}
    try:
        torch.onnx.export(Flat().eval(), signature.random(0), str(path), dynamo=True, **options)
    except Exception as error:  # Whatever of torch's exporter fails for this module.
        path.unlink(missing_ok=True)
        return f"torch cannot export it: {' '.join(first_line(error).split())[:200]}"
    return None


def compare_onnx(path: Path, signature: Signature, outputs: tuple[Output, ...]) -> float | None:
    """The largest relative error of an ONNX file in ONNX Runtime; None where that is not installed.

    `outputs` are torch's for the inputs of seed 0. Raises RunError when one is further off than it may be.
    """
    if find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    from blockfront.targets.compiler.outputs import compare_all, disagreement, worst

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    samples = [sample.numpy() for sample in signature.random(0)]
    errors = compare_all(outputs, session.run(None, dict(zip(names, samples, strict=True))))
    wrong = disagreement(errors, "of model.onnx in ONNX Runtime")
    if wrong is not None:
        raise RunError(wrong)
    return worst(errors)[1]
