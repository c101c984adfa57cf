"""A torch module as an ONNX file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError, first_line
from blockfront.signature import Signature, leaves

if TYPE_CHECKING:
    from torch import nn

OPSET = 17
"""Old enough for the tools of vendors, new enough to have layer norms."""


def write_onnx(module: nn.Module, signature: Signature, path: Path) -> None:
    """Write `path`, and the weights beside it where they are too large for one file (2 GiB).

    Inputs and outputs have their names in the signature and in `leaves`, and fixed shapes; batch norms are folded.
    Raises `RunError` for a module that torch cannot write.
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
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flat(*samples)
            # As fast in ONNX Runtime as what the newer exporter makes, and made in a third of the time.
            torch.onnx.export(
                flat,
                samples,
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[one.name for one in signature.inputs],
                output_names=list(names),
            )
    except Exception as error:  # Whatever torch's exporter raises for what it has no operator for.
        raise RunError(f"torch cannot write it as ONNX: {first_line(error)[:300]}") from error
