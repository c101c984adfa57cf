"""What a reduction adds to a backbone, kept in a file of its own: method, options, plan and the reducer's weights."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from blockfront.blocks.tokens.planning import Plan, make_static
from blockfront.blocks.tokens.transformer import ReducedTransformer, reduce_tokens
from blockfront.errors import UsageError
from blockfront.files import explaining, write_atomically


def save_reduction(model: ReducedTransformer, path: Path) -> None:
    """Write everything but the backbone: for LTMP two numbers a block. Raises `RunError` when writing fails."""
    content = {
        "method": model.method,
        "options": dataclasses.asdict(model.options),
        "plan": None if model.plan is None else dataclasses.asdict(model.plan),
        "reducer": model.reducer.state_dict(),
    }
    file = io.BytesIO()
    torch.save(content, file)
    with explaining(path):
        write_atomically(path, file.getvalue())


def load_reduction(backbone: nn.Module, path: Path) -> ReducedTransformer:
    """`backbone` reduced as the file says. Loads tensors and plain values only, never code.

    Raises `UsageError` for a file that is no reduction, or one of a backbone with other blocks.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch's reader fails in as many ways as there are other files
        raise UsageError(f"{path} cannot be read as a token reduction: {_first_line(error)}") from error
    if not isinstance(content, dict) or {"method", "options", "plan", "reducer"} - set(content):
        raise UsageError(f"{path} holds no token reduction; save_reduction writes one")
    model = reduce_tokens(backbone, content["method"], **content["options"])
    plan = content["plan"] and Plan(**content["plan"])
    if plan is not None:
        model = make_static(model, plan)
    try:
        model.reducer.load_state_dict(content["reducer"])
    except RuntimeError as error:
        raise UsageError(f"{path} belongs to another backbone: {_first_line(error)}") from error
    return model


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0] if lines else type(error).__name__
