"""Constants of a Relax module computed with NumPy; TVM's FoldConstant compiles a kernel for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator


def _shape(argument: relax.Expr) -> list[int]:
    return [int(extent) for extent in argument.values]


_RULES: dict[str, Any] = {
    "relax.permute_dims": lambda call, x: np.transpose(
        x, None if call.attrs.axes is None else [int(axis) for axis in call.attrs.axes]
    ),
    "relax.reshape": lambda call, x: x.reshape(_shape(call.args[1])),
    "relax.broadcast_to": lambda call, x: np.broadcast_to(x, _shape(call.args[1])),
    "relax.expand_dims": lambda call, x: np.expand_dims(x, tuple(int(axis) for axis in call.attrs.axis)),
    "relax.squeeze": lambda call, x: np.squeeze(
        x, None if call.attrs.axis is None else tuple(int(axis) for axis in call.attrs.axis)
    ),
    "relax.astype": lambda call, x: x.astype(str(call.attrs.dtype)),
    "relax.add": lambda _call, x, y: x + y,
    "relax.subtract": lambda _call, x, y: x - y,
    "relax.multiply": lambda _call, x, y: x * y,
}


@mutator
class _Folder(PyExprMutator):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        rule = _RULES.get(getattr(call.op, "name", ""))
        if rule is None:
            return call
        values = [self._constant(argument) for argument in call.args]
        tensors = [value for value in values if value is not None]
        others = [
            argument
            for argument, value in zip(call.args, values, strict=True)
            if value is None and not isinstance(argument, relax.ShapeExpr)
        ]
        if others or not tensors:
            return call
        return relax.const(np.ascontiguousarray(rule(call, *tensors)))

    def _constant(self, argument: relax.Expr) -> np.ndarray | None:
        if isinstance(argument, relax.Var):
            argument = self.lookup_binding(argument)
        return argument.value.numpy() if isinstance(argument, tvm.ir.GenericConst) else None


@tvm.transform.module_pass(opt_level=0, name="FoldConstants")
class FoldConstants:
    """Evaluate layout and arithmetic operators whose tensors are all constants."""

    def transform_module(self, module: tvm.IRModule, _context: tvm.transform.PassContext) -> tvm.IRModule:
        for variable, function in module.functions_items():
            if isinstance(function, relax.Function):
                folder = _Folder(module)
                module.update_func(variable, relax.analysis.remove_all_unused(folder.visit_expr(function)))
        return module
