"""An ONNX file as a torch module, checked against ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.engines.engine import require_packages
from blockfront.errors import RunError, UsageError, first_line
from blockfront.signature import DTYPES, Input, Signature

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from blockfront.design_space.image_size import ImageSize

_PACKAGES = ("onnx", "onnx2torch", "onnxruntime")


def load_onnx(path: Path, size: ImageSize) -> tuple[nn.Module, Signature]:
    """The module of an ONNX file, by onnx2torch, and what it takes, with a batch of 1.

    A size that the file leaves open is asked of `size`. ONNX Runtime folds what depends on sizes alone, and its outputs
    are what the module's are compared with, on random inputs. Raises UsageError for a file that is none, for sizes that
    stay open or contradict the file's, and where the extra `peers` is missing; RunError for operators that onnx2torch
    does not know, and for outputs that differ.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    require_packages(path.name, _PACKAGES, "peers")
    import onnx2torch

    model = _read(path)
    signature = _fix_sizes(path, model, size)
    folded, expected = _run(path, model, signature)
    try:
        module = onnx2torch.convert(folded).eval()
    except Exception as error:  # What its converters raise shares no class.
        raise RunError(f"{path.name} cannot be made a torch module: {first_line(error)[:300]}") from error
    _compare(path, module, signature, expected)
    return module, signature


def _read(path: Path) -> Any:
    import onnx

    try:
        # With weights beside the file, which the model names.
        return onnx.load(str(path))
    except Exception as error:  # Protobuf's errors share no class with those of onnx.
        raise UsageError(f"{path} cannot be read as ONNX: {first_line(error)[:200]}") from error


def _fix_sizes(path: Path, model: Any, size: ImageSize) -> Signature:
    """Write sizes into a model wherever it leaves them open; what it takes then."""
    import onnx

    weights = {one.name for one in model.graph.initializer}
    given = [one for one in model.graph.input if one.name not in weights]
    inputs = []
    for one in given:
        tensor = one.type.tensor_type
        dims = tensor.shape.dim
        asked: Mapping[int, int | None] = {0: 1} if len(dims) else {}
        if len(given) == 1 and len(dims) == 4:
            asked = {0: 1, 1: size.channels, 2: size.height, 3: size.width}
        for place, dim in enumerate(dims):
            stated, wanted = dim.dim_value, asked.get(place)
            if not stated and wanted is None:
                raise UsageError(f"{path.name} leaves dimension {place} of input {one.name} open: {_remedy(asked)}")
            if stated and wanted not in (None, stated):
                raise UsageError(f"{path.name} takes {one.name} with {stated} in dimension {place}, not {wanted}")
            dim.dim_value = stated or wanted
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        if dtype not in DTYPES:
            raise UsageError(f"{path.name} takes {one.name} as {dtype}; known: {', '.join(DTYPES)}")
        inputs.append(Input(one.name, tuple(dim.dim_value for dim in dims), dtype))
    if not inputs:
        raise UsageError(f"{path.name} has no graph that takes an input: is it an ONNX file?")
    # Sizes of before are in the way of those that follow from the inputs.
    del model.graph.value_info[:]
    for one in model.graph.output:
        one.type.tensor_type.ClearField("shape")
    return Signature(tuple(inputs))


def _remedy(asked: Mapping[int, int | None]) -> str:
    return "say it with --input CxHxW" if len(asked) == 4 else "export it with a fixed size"


def _run(path: Path, model: Any, signature: Signature) -> tuple[Any, list[np.ndarray]]:
    """The model as ONNX Runtime folds it, in ONNX's own operators, and its outputs for the inputs that seed 0 draws."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        whole, folded = Path(folder, "whole.onnx"), Path(folder, "folded.onnx")
        options.optimized_model_filepath = str(folded)
        try:
            onnx.save(model, str(whole), save_as_external_data=True)
            session = onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
            feed = {one.name: sample.numpy() for one, sample in zip(signature.inputs, signature.random(0), strict=True)}
            return onnx.load(str(folded)), session.run(None, feed)
        except Exception as error:  # What ONNX Runtime raises shares no class.
            raise UsageError(f"ONNX Runtime does not run {path.name}: {first_line(error)[:300]}") from error


def _compare(path: Path, module: nn.Module, signature: Signature, expected: list[np.ndarray]) -> None:
    from blockfront.agreement.outputs import WINOGRAD_FLOOR, compare_all, disagreement, torch_outputs

    try:
        wrong = disagreement(
            compare_all(torch_outputs(module, signature, 0, WINOGRAD_FLOOR), expected), "in ONNX Runtime"
        )
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise RunError(f"{path.name} does not run as a torch module: {first_line(error)[:300]}") from error
    if wrong is not None:
        raise RunError(f"{path.name} is another network as a torch module: {wrong}")
