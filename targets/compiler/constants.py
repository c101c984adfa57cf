"""Constants of a Relax module computed with torch; TVM's FoldConstant compiles a kernel for each of them."""

from __future__ import annotations

from typing import Any

import torch
import tvm
from tvm import relax

_ALIGNMENT = 64


def _integers(values: Any) -> list[int]:
    return [int(value) for value in values]


_RULES: dict[str, Any] = {
    "relax.permute_dims": lambda call, x: x.permute(
        range(x.dim())[::-1] if call.attrs.axes is None else _integers(call.attrs.axes)
    ),
    "relax.reshape": lambda call, x: x.reshape(_integers(call.args[1].values)),
    "relax.broadcast_to": lambda call, x: x.expand(_integers(call.args[1].values)),
    "relax.add": lambda _call, x, y: x + y,
    "relax.subtract": lambda _call, x, y: x - y,
    "relax.multiply": lambda _call, x, y: x * y,
}


def constant(tensor: torch.Tensor) -> relax.Expr:
    """A Relax constant, in the tensor's own memory where that is as TVM needs it."""
    tensor = tensor.detach().contiguous()
    if tensor.data_ptr() % _ALIGNMENT:
        tensor = tensor.clone()
    return relax.const(tvm.runtime.from_dlpack(tensor))


def fold(call: relax.Call) -> relax.Expr:
    """The value of a layout or arithmetic operator on constants alone; any other call as it is."""
    rule = _RULES.get(getattr(call.op, "name", ""))
    if rule is None:
        return call
    tensors = [argument for argument in call.args if not isinstance(argument, relax.ShapeExpr)]
    if not all(isinstance(tensor, tvm.ir.GenericConst) for tensor in tensors):
        return call
    return constant(rule(call, *(torch.from_dlpack(tensor.value) for tensor in tensors)))
