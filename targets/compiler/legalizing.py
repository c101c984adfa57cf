"""Relax operators to unscheduled kernels, each operator for each shape once in a process.

TVM describes a kernel anew for every operator of every network, which takes most of the time between import and
scheduling; networks of one space have most of their operators in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import tvm
from tvm import relax, tirx
from tvm_ffi import StructuralKey

from blockfront.targets.compiler.approximations import LEGALIZATIONS
from blockfront.targets.compiler.constants import fold

Legalize = Callable[[relax.BlockBuilder, relax.Call], relax.Expr]

OUT_ELEMENTWISE_FUSIBLE = {"op_pattern": 4}
"""Attributes of a kernel into which Relax's fusion folds what follows, and nothing into what comes before."""

ELEMENTWISE = {"op_pattern": 0}
"""Attributes of a kernel that fusion folds into others, each element of which is computed from one."""

_CALL_TIR = tvm.ir.Op.get("relax.call_tir")
_NESTED = (relax.Call, relax.TupleGetItem)
_KEPT = 2048


@cache
def remembered() -> dict[str, Legalize]:
    """`legalize` for each operator that TVM or this suite has a rule for."""
    names = [name for name in tvm.ir.Op.list_op_names() if tvm.ir.Op.get(name).get_attr("FLegalize")]
    return dict.fromkeys([*names, *LEGALIZATIONS], legalize)


class KernelBuilder(relax.BlockBuilder):
    """A block builder that emits a kernel for an operator at once, and nothing for one on constants alone.

    TVM's builder infers the shape an operator gives, which takes longer than to remember the kernel that gives it.
    """

    def __init__(self, rules: Mapping[str, Legalize]) -> None:
        super().__init__()
        self._rules = rules

    def emit(self, expr: relax.Expr, name_hint: str = "") -> relax.Expr:
        """The variable bound to `expr`; a constant, a variable and a tuple of such need none."""
        expr = self._normalize_python_tuple(expr)
        if isinstance(expr, relax.Tuple):
            return self._leaf(expr)
        if isinstance(expr, relax.Call):
            expr = self._legalized(expr)
        return super().emit(expr, name_hint) if isinstance(expr, _NESTED) else expr

    def _legalized(self, call: relax.Call) -> relax.Expr:
        arguments = list(call.args)
        leaves = [self._leaf(argument) for argument in arguments]
        if any(leaf is not argument for leaf, argument in zip(leaves, arguments, strict=True)):
            call = relax.Call(call.op, leaves, call.attrs, call.ty_args)
        value = fold(call)
        rule = self._rules.get(getattr(call.op, "name", "")) if value is call else None
        return rule(self, call) if rule else value

    def _leaf(self, expr: relax.Expr) -> relax.Expr:
        if isinstance(expr, relax.Tuple):
            return relax.Tuple([self._leaf(item) for item in expr.fields])
        return self.emit(expr) if isinstance(expr, _NESTED) else expr


def legalize(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    """What TVM's or this suite's rule makes of an operator."""
    rule = LEGALIZATIONS.get(call.op.name) or call.op.get_attr("FLegalize")
    inputs = _Inputs()
    alone = relax.Call(call.op, inputs.replace(list(call.args)), call.attrs, call.ty_args)
    identity = [call.op, call.attrs, _skeleton(list(alone.args))]
    kernel = _kernel(_describe(identity, inputs, lambda builder: rule(builder, builder.normalize(alone))))
    return kernel.call(builder, inputs.tensors) if kernel else rule(builder, builder.normalize(call))


def call_te(
    builder: relax.BlockBuilder, function: Callable[..., Any], *args: Any, name: str, attributes: Mapping[str, Any]
) -> relax.Call:
    """A call of the kernel `name` that `function` computes from tensors and integers, and from nothing else."""
    inputs = _Inputs()
    alone = inputs.replace(list(args))

    def make(builder: relax.BlockBuilder) -> relax.Expr:
        return builder.call_te(function, *alone, primfunc_name_hint=name, primfunc_attrs=attributes)

    kernel = _kernel(_describe([name, _skeleton(alone)], inputs, make))
    assert kernel is not None
    return kernel.call(builder, inputs.tensors)


class _Inputs:
    """The tensors among a call's arguments, and a variable of the same type for each."""

    def __init__(self) -> None:
        self.tensors: list[relax.Expr] = []
        self.variables: list[relax.Var] = []

    def replace(self, argument: Any) -> Any:
        """The argument with variables instead of its tensors; scalar constants become part of a kernel, and stay."""
        if isinstance(argument, list):
            return [self.replace(item) for item in argument]
        if isinstance(argument, relax.Tuple):
            return relax.Tuple(self.replace(list(argument.fields)))
        if isinstance(argument, relax.Var) or (isinstance(argument, tvm.ir.GenericConst) and argument.ty.ndim > 0):
            self.tensors.append(argument)
            self.variables.append(relax.Var(f"x{len(self.tensors)}", argument.ty))
            return self.variables[-1]
        return argument


def _skeleton(argument: Any) -> Any:
    """What a kernel depends on: the types of tensors, and everything else as it is."""
    if isinstance(argument, list):
        return [_skeleton(item) for item in argument]
    if isinstance(argument, relax.Tuple):
        return _skeleton(list(argument.fields))
    return argument.ty if isinstance(argument, relax.Var) else argument


@dataclass(frozen=True)
class _Description:
    """How to make a kernel's call from variables; two are the same when their keys are."""

    key: StructuralKey
    variables: list[relax.Var] = field(compare=False)
    make: Callable[[relax.BlockBuilder], relax.Expr] = field(compare=False)


def _describe(identity: list[Any], inputs: _Inputs, make: Callable[[relax.BlockBuilder], relax.Expr]) -> _Description:
    # The stub of StructuralKey takes its fields for its arguments.
    return _Description(StructuralKey(identity), inputs.variables, make)  # type: ignore[call-arg]


@dataclass(frozen=True)
class _Kernel:
    """A call of `function` with the inputs at `positions`, otherwise as in `template`."""

    name: str
    function: tirx.PrimFunc
    template: relax.Call
    positions: list[int]

    def call(self, builder: relax.BlockBuilder, inputs: list[relax.Expr]) -> relax.Call:
        function = builder.add_func(self.function, self.name)
        arguments = relax.Tuple([inputs[position] for position in self.positions])
        return relax.Call(_CALL_TIR, [function, arguments], self.template.attrs, self.template.ty_args)


@lru_cache(maxsize=_KEPT)
def _kernel(description: _Description) -> _Kernel | None:
    """The kernel of a description; None where that is not one call of one kernel."""
    builder = relax.BlockBuilder()
    with builder.function("main", description.variables):
        call = description.make(builder)
        builder.emit_func_output(builder.emit(call))
    if not isinstance(call, relax.Call) or call.op != _CALL_TIR:
        return None
    positions = []
    for argument in call.args[1]:
        found = [i for i, variable in enumerate(description.variables) if variable.same_as(argument)]
        if not found:
            return None
        positions += found
    name = str(call.args[0].name_hint)
    return _Kernel(name, builder.get()[name], call, positions)
