"""Operations on bytes that processors have instructions for.

A kernel is described, scheduled and lowered with these operations, whatever it is for; only what goes to LLVM for a
target has the instructions of that target in their place (`instructions.py`), or plain arithmetic where it has none. So
the copy that verifies a kernel of another processor runs its very loops.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import ir, tirx

DOT = {"int8": "blockfront.dot_int8", "uint8": "blockfront.dot_uint8"}
ROUNDED = {"int8": "blockfront.rounded_int8", "uint8": "blockfront.rounded_uint8"}
LOOKED_UP = {"int8": "blockfront.looked_up_int8", "uint8": "blockfront.looked_up_uint8"}
WORD_OF, HALF_OF = "blockfront.word", "blockfront.half"
OPERATIONS = (*DOT.values(), *ROUNDED.values(), *LOOKED_UP.values(), WORD_OF, HALF_OF)
"""The names under which TVM knows them."""

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}

for _name in OPERATIONS:
    ir.register_op_attr(_name, "TVectorizable", True)
    ir.register_op_attr(_name, "TScriptPrinterName", _name)
    ir.register_op_attr(_name, "TCallEffectKind", int(tirx.CallEffectKind.Pure.value))


def dot(activations: Any, weights: Any, byte: str) -> Any:
    """The sum of the products of two words' bytes as int32, four of int32 or two of int16: those of `activations` are
    of type `byte`, those of `weights` int8."""
    return tirx.call_intrin("int32", ir.Op.get(DOT[byte]), activations, weights)


def word(*values: Any) -> Any:
    """Four bytes as one int32, or two as one int16, the first in the lowest place, as they are in memory one after the
    other."""
    return tirx.call_intrin(f"int{8 * len(values)}", ir.Op.get(WORD_OF), *values)


def half(value: Any, place: Any) -> Any:
    """The lower (0) or the higher (1) half of an int32 as int16."""
    return tirx.call_intrin("int16", ir.Op.get(HALF_OF), value, place)


def bytes_of_dot(expression: Any) -> int:
    """How many products a `dot` adds; 0 of anything else."""
    return tvm.DataType(str(expression.args[1].ty.dtype)).bits // 8 if is_dot(expression) else 0


def rounded(value: Any, zero_point: Any, low: Any, high: Any) -> Any:
    """A float32, below 2^31 in size, rounded half to even and moved by an int32, and clamped to the bounds, two bytes,
    of whose type the result is."""
    kind = str(low.ty.dtype)
    return tirx.call_intrin(kind, ir.Op.get(ROUNDED[kind]), value, zero_point, low, high)


def looked_up(value: Any, first: Any) -> Any:
    """A byte by the table of 256, in the order of bytes, whose first element is loaded by `first`."""
    kind = str(value.ty.dtype)
    return tirx.call_intrin(kind, ir.Op.get(LOOKED_UP[kind]), value, first)


def clamped(value: Any, low: Any, high: Any) -> Any:
    """An int32 clamped to two bytes: to the range of bytes first, as instructions do that make bytes of integers."""
    kind = tvm.DataType(str(low.ty.dtype))
    least, most = _RANGES[str(kind).partition("x")[0]]
    narrow = tirx.max(tirx.min(value, tirx.const(most, value.ty.dtype)), tirx.const(least, value.ty.dtype))
    return tirx.max(tirx.min(tirx.Cast(str(kind), narrow), high), low)


def is_dot(expression: Any) -> bool:
    """Whether an expression is a `dot`."""
    return operation(expression) in DOT.values()


def is_word(expression: Any) -> bool:
    """Whether an expression is a `word`, or the `half` of one."""
    return operation(expression) in (WORD_OF, HALF_OF)


def operation(expression: Any) -> str:
    """The name of the operation, or of whatever else an expression calls; empty where it calls nothing."""
    return getattr(expression.op, "name", "") if isinstance(expression, ir.Call) else ""
