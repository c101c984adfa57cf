"""An ONNX file as a torch module, checked against ONNX Runtime."""

from __future__ import annotations

import itertools
import keyword
import re
import tempfile
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.design_space.onnx_operators import UnknownOperator, in_known_operators
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
        raise UsageError(f"{path} is a folder" if path.is_dir() else f"there is no file {path}")
    require_packages(path.name, _PACKAGES, "peers")
    model = _read(path)
    signature = _fix_sizes(path, model, size)
    folded, expected = _run(path, model, signature)
    made = {one for node in folded.graph.node for one in node.output}
    if alone := [one.name for one in folded.graph.output if one.name not in made]:
        raise UsageError(f"{path.name}: output {alone[0]} is computed by no operator; leave it out of the file")
    with warnings.catch_warnings(action="ignore"):  # Of what may differ in torch, which is looked at here.
        module = _as_module(path, folded, model)
        _compare(path, module, signature, expected)
    return module, signature


def _as_module(path: Path, folded: Any, model: Any) -> nn.Module:
    """The module of a model as ONNX Runtime folded it, or of the model itself where casts of its own are in that."""
    import onnx2torch

    failed: Exception | None = None
    for one in (folded, model):
        try:
            return onnx2torch.convert(in_known_operators(one)).eval()
        except Exception as error:  # What its converters raise shares no class.
            failed = failed or error
    assert failed is not None
    found = re.search(r"operation_type='(\w+)'", str(failed)) if isinstance(failed, NotImplementedError) else None
    unknown = found[1] if found else str(failed) if isinstance(failed, UnknownOperator) else None
    if unknown is not None:
        quantized = "Quant" in unknown or unknown.startswith("QLinear")
        other = (
            "give the network in float32, which --precision int8 quantises"
            if quantized
            else "write the network as a function of a Python file, file.py:factory"
        )
        raise RunError(
            f"{path.name} cannot be made a torch module: onnx2torch does not know {unknown}; {other}"
        ) from failed
    raise RunError(f"{path.name} cannot be made a torch module: {first_line(failed)[:300]}") from failed


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
    inputs: list[Input] = []
    for one in given:
        tensor = one.type.tensor_type
        if one.type.WhichOneof("value") != "tensor_type":
            raise UsageError(f"{path.name} takes {one.name}, which is no tensor; export a network that takes tensors")
        if not tensor.HasField("shape"):
            raise UsageError(f"{path.name} leaves the shape of input {one.name} open: export it with a fixed size")
        dims = tensor.shape.dim
        asked: Mapping[int, int | None] = {}
        if len(given) == 1 and len(dims) == 4:
            asked = {0: 1, 1: size.channels, 2: size.height, 3: size.width}
        for place, dim in enumerate(dims):
            stated, wanted = dim.dim_value, asked.get(place)
            if dim.HasField("dim_value") and stated < 1:
                raise UsageError(
                    f"{path.name} takes {one.name} with {stated} in dimension {place}, which holds nothing"
                )
            if not stated and wanted is None and place > 0:
                raise UsageError(f"{path.name} leaves dimension {place} of input {one.name} open: {_remedy(asked)}")
            if stated and wanted not in (None, stated):
                remedy = "export it with a batch of 1" if place == 0 else "say so with --input, or leave that out"
                raise UsageError(
                    f"{path.name} takes {one.name} with {stated} in dimension {place}, not {wanted}; {remedy}"
                )
            dim.dim_value = stated or wanted or 1
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        if dtype not in DTYPES:
            raise UsageError(f"{path.name} takes {one.name} as {dtype}; known: {', '.join(DTYPES)}")
        name = _identifier(one.name, {other.name for other in inputs})
        inputs.append(Input(name, tuple(dim.dim_value for dim in dims), dtype))
    if not model.graph.output:
        raise UsageError(f"{path.name} has no output")
    if not inputs:
        raise UsageError(f"{path.name} has no graph that takes an input: is it an ONNX file?")
    # Sizes of before are in the way of those that follow from the inputs.
    del model.graph.value_info[:]
    for one in model.graph.output:
        one.type.tensor_type.ClearField("shape")
    return Signature(tuple(inputs))


def _identifier(name: str, taken: Collection[str]) -> str:
    """A name of an input as Python allows it, which graphs of torch make code of: `input.1` as `input_1`."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not plain.isidentifier() or keyword.iskeyword(plain):
        plain = f"input_{plain}"
    return next(one for number in itertools.count() if (one := f"{plain}_{number}" if number else plain) not in taken)


def _remedy(asked: Mapping[int, int | None]) -> str:
    return "say it with --input CxHxW" if len(asked) == 4 else "export it with a fixed size"


def _run(path: Path, model: Any, signature: Signature) -> tuple[Any, list[np.ndarray]]:
    """The model as ONNX Runtime folds it, in ONNX's own operators, and its outputs for the inputs that seed 0 draws."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    onnxruntime.set_default_logger_severity(4)  # What it logs of a file that it does not load, it raises too.
    with tempfile.TemporaryDirectory() as folder:
        whole, folded = Path(folder, "whole.onnx"), Path(folder, "folded.onnx")
        options.optimized_model_filepath = str(folded)
        try:
            onnx.save(model, str(whole), save_as_external_data=True)
            session = onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
            names = [one.name for one in session.get_inputs()]
            feed = {name: sample.numpy() for name, sample in zip(names, signature.random(0), strict=True)}
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
