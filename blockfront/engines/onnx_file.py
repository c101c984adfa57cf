"""A torch module as an ONNX file."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError, first_line
from blockfront.signature import Signature, leaves

if TYPE_CHECKING:
    from torch import nn

OPSET = 17
"""Old enough for the tools of vendors, new enough to have layer norms; torch's other exporter begins at 18."""

_LARGEST = 2**31 - 2**20
"""Bytes of weights in one file: protobuf's limit, and room for the graph."""


def write_onnx(module: nn.Module, signature: Signature, path: Path) -> None:
    """Write `path`, and the weights beside it where they are too large for one file (2 GiB).

    Inputs and outputs have their names in the signature and in `leaves`, and fixed shapes; batch norms are folded.
    Raises `RunError` for a module that torch cannot write, and leaves no file.
    """
    import torch

    names: list[str] = []

    class Flat(torch.nn.Module):
        """The module's outputs as a flat tuple."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: Any) -> Any:
            found = leaves(self.module(*inputs))
            names[:] = [name for name, _ in found]
            return tuple(leaf for _, leaf in found)

    flat, samples = Flat().eval(), signature.zeros()
    large = sum(one.nbytes for one in (*module.parameters(), *module.buffers())) > _LARGEST
    failed: RunError | None = None
    # The older exporter takes a third of the other's time and no packages; what it cannot write, the other may.
    for dynamo in (False, True):
        if dynamo and find_spec("onnxscript") is None:
            raise RunError(
                f"{failed}; torch's other exporter may, and needs onnxscript: pip install 'blockfront[peers]'"
            )
        try:
            with torch.no_grad(), warnings.catch_warnings(action="ignore"):
                flat(*samples)
                torch.onnx.export(
                    flat,
                    samples,
                    str(path),
                    dynamo=dynamo,
                    opset_version=max(OPSET, 18) if dynamo else OPSET,
                    external_data=large,
                    input_names=[one.name for one in signature.inputs],
                    output_names=list(names),
                    verbose=False,
                )
            return
        except Exception as error:  # Whatever torch's exporter raises for what it has no operator for.
            path.unlink(missing_ok=True)
            failed = RunError(f"torch cannot write it as ONNX: {' '.join(first_line(error).split())[:300]}")
            failed.__cause__ = error
    assert failed is not None
    raise failed
