"""An ONNX file compared with torch, in ONNX Runtime."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from blockfront.agreement.outputs import Output, compare_all, disagreement, worst
from blockfront.errors import RunError
from blockfront.signature import Signature


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
