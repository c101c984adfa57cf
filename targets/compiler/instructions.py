"""Operations on bytes that processors have instructions for, and what each of these makes of them.

A kernel is described, scheduled and lowered with these operations, whatever it is for; only what goes to LLVM for a
target has the instructions of that target in their place, or plain arithmetic where it has none. So the copy that
verifies a kernel of another processor runs its very loops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tvm
import tvm_ffi
from tvm import ir, tirx

from blockfront.targets.hardware.integer import byte_products

WORD = 4
"""Bytes in one word, which a dot product takes."""
_DOT = {"int8": "blockfront.dot_int8", "uint8": "blockfront.dot_uint8"}
_WORD, _NEAREST = "blockfront.word", "blockfront.nearest"
_OPERATIONS = (*_DOT.values(), _WORD, _NEAREST)
for _name in _OPERATIONS:
    ir.register_op_attr(_name, "TVectorizable", True)
    ir.register_op_attr(_name, "TScriptPrinterName", _name)
    ir.register_op_attr(_name, "TCallEffectKind", int(tirx.CallEffectKind.Pure.value))


def dot(activations: Any, weights: Any, byte: str) -> Any:
    """The sum of the products of two words' four bytes as int32: `activations` are of type `byte`, `weights` int8."""
    return tirx.call_intrin("int32", ir.Op.get(_DOT[byte]), activations, weights)


def word(*values: Any) -> Any:
    """Four bytes as one int32, the first in the lowest place, as they are in memory one after the other."""
    return tirx.call_intrin("int32", ir.Op.get(_WORD), *values)


def nearest(value: Any) -> Any:
    """float32 to int32, half to even; what int32 does not hold gives anything."""
    return tirx.call_intrin("int32", ir.Op.get(_NEAREST), value)


def is_dot(expression: Any) -> bool:
    """Whether an expression is a `dot`."""
    return _named(expression) in _DOT.values()


def is_word(expression: Any) -> bool:
    """Whether an expression is a `word`."""
    return _named(expression) == _WORD


def _named(expression: Any) -> str:
    return getattr(expression.op, "name", "") if isinstance(expression, ir.Call) else ""


def with_instructions(module: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    """Lowered loops with the instructions of `target` in place of the operations."""
    chosen = _Instructions(dict(target.export()))
    return tvm.IRModule({name: _replaced(function, chosen) for name, function in module.functions_items()})


def _replaced(function: tirx.PrimFunc, chosen: _Instructions) -> tirx.PrimFunc:
    found: list[str] = []
    tvm_ffi.structural_walk(function.body, [(ir.Call, lambda call: found.append(_named(call)))])
    if not any(name in _OPERATIONS for name in found):
        return function
    # Sums first, because one instruction may add as well.
    body = tvm_ffi.structural_map(function.body, [(tirx.Add, chosen.sum)])
    return function.with_body(tvm_ffi.structural_map(body, [(ir.Call, chosen.call)]))


class _Instructions:
    """What one processor makes of the operations."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._is_arm = str(described.get("mtriple", "")).startswith("aarch64")
        self._products = byte_products(described)

    def sum(self, addition: Any) -> Any:
        """A sum, of which one term may be a dot product."""
        for term, total in ((addition.b, addition.a), (addition.a, addition.b)):
            if is_dot(term):
                return self._dot(total, *term.args, _named(term))
        return addition

    def call(self, call: Any) -> Any:
        """A call, perhaps of one of the operations."""
        name = _named(call)
        if name in _DOT.values():
            return self._dot(tirx.const(0, call.ty.dtype), *call.args, name)
        if name == _WORD:
            return self._word(*call.args)
        return self._nearest(call.args[0]) if name == _NEAREST else call

    def _dot(self, total: Any, activations: Any, weights: Any, name: str) -> Any:
        make = _DOT_PRODUCTS.get((self._products or "", name, _lanes(weights)), _plain_dot)
        return make(total, activations, weights, name)

    def _word(self, *values: Any) -> Any:
        lanes = _lanes(values[0])
        if self._is_arm and lanes >= 8:
            order = [place * lanes + lane for lane in range(lanes) for place in range(4)]
            return tirx.reinterpret(f"int32x{lanes}", tirx.Shuffle(list(values), order))
        result = None
        for place, value in enumerate(values):
            wide = tirx.Cast(_as("int32", lanes), value)
            if place < 3:
                wide = wide & tirx.const(255, _as("int32", lanes))
            wide = wide << tirx.const(8 * place, _as("int32", lanes)) if place else wide
            result = wide if result is None else result | wide
        return result

    def _nearest(self, value: Any) -> Any:
        kind, lanes = str(value.ty.dtype), _lanes(value)
        if self._is_arm:
            # Which LLVM makes one instruction with the conversion of.
            rounded = tirx.call_llvm_pure_intrin(kind, "llvm.roundeven", value)
        else:
            rounded = tirx.call_llvm_pure_intrin(kind, "llvm.nearbyint", value)
        return tirx.Cast(_as("int32", lanes), rounded)


def _lanes(value: Any) -> int:
    return int(tvm.DataType(str(value.ty.dtype)).lanes)


def _as(kind: str, lanes: int) -> str:
    return kind if lanes == 1 else f"{kind}x{lanes}"


def _bytes(value: Any, kind: str = "int8") -> Any:
    return tirx.reinterpret(f"{kind}x{4 * _lanes(value)}", value)


def _plain_dot(total: Any, activations: Any, weights: Any, name: str) -> Any:
    kind = weights.ty.dtype

    def shifted(word: Any, place: int) -> Any:
        return (word << tirx.const(24 - 8 * place, kind)) >> tirx.const(24, kind)

    for place in range(4):
        if name == _DOT["int8"]:
            activation = shifted(activations, place)
        else:
            activation = (activations >> tirx.const(8 * place, kind)) & tirx.const(255, kind)
        total = total + activation * shifted(weights, place)
    return total


def _accumulating(intrinsic: str, activation: str) -> Callable[..., Any]:
    """An instruction that adds the products of bytes to a total."""

    def make(total: Any, activations: Any, weights: Any, _name: str) -> Any:
        operands = [_bytes(weights), _bytes(activations, activation)]
        ordered = operands if activation == "int8" else operands[::-1]
        return tirx.call_llvm_pure_intrin(weights.ty.dtype, intrinsic, total, *ordered)

    return make


def _smull(total: Any, activations: Any, weights: Any, _name: str) -> Any:
    """Products in int16, of which two fit: 2 · 127 · 128 < 2^15; their sums by pairs, and those of these added."""

    def products(half: Callable[..., Any]) -> Any:
        operands = [half("int8x8", _bytes(weights)), half("int8x8", _bytes(activations))]
        return tirx.call_llvm_pure_intrin("int16x8", "llvm.aarch64.neon.smull.v8i16", *operands)

    pairs = [products(tirx.vectorlow), products(tirx.vectorhigh)]
    joined = tirx.call_llvm_pure_intrin("int16x8", "llvm.aarch64.neon.addp.v8i16", *pairs)
    return total + tirx.call_llvm_pure_intrin("int32x4", "llvm.aarch64.neon.saddlp.v4i32.v8i16", joined)


def _pmaddwd(intrinsic: str) -> Callable[..., Any]:
    """Bytes in even and in odd places as int16, which are multiplied and added by pairs: VPMADDUBSW, which takes bytes,
    saturates."""

    def make(total: Any, activations: Any, weights: Any, _name: str) -> Any:
        kind, words = weights.ty.dtype, f"int16x{2 * _lanes(weights)}"
        mask = tirx.const(0x00FF00FF, kind)
        eight = tirx.const(8, words)
        signed = tirx.reinterpret(words, weights)
        for some, factors in (
            (activations & mask, (signed << eight) >> eight),
            ((activations >> tirx.const(8, kind)) & mask, signed >> eight),
        ):
            total = total + tirx.call_llvm_pure_intrin(kind, intrinsic, tirx.reinterpret(words, some), factors)
        return total

    return make


_DOT_PRODUCTS: dict[tuple[str, str, int], Callable[..., Any]] = {
    ("sdot", _DOT["int8"], 4): _accumulating("llvm.aarch64.neon.sdot.v4i32.v16i8", "int8"),
    ("sdot", _DOT["int8"], 2): _accumulating("llvm.aarch64.neon.sdot.v2i32.v8i8", "int8"),
    ("smull", _DOT["int8"], 4): _smull,
    ("vpdpbusd", _DOT["uint8"], 16): _accumulating("llvm.x86.avx512.vpdpbusd.512", "uint8"),
    ("vpdpbusd", _DOT["uint8"], 8): _accumulating("llvm.x86.avx512.vpdpbusd.256", "uint8"),
    ("vpdpbusd", _DOT["uint8"], 4): _accumulating("llvm.x86.avx512.vpdpbusd.128", "uint8"),
    ("pmaddwd", _DOT["uint8"], 16): _pmaddwd("llvm.x86.avx512.pmaddw.d.512"),
    ("pmaddwd", _DOT["uint8"], 8): _pmaddwd("llvm.x86.avx2.pmadd.wd"),
    ("pmaddwd", _DOT["uint8"], 4): _pmaddwd("llvm.x86.sse2.pmadd.wd"),
}
