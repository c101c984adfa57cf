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

from blockfront.targets.hardware.integer import byte_products, has_features

WORD = 4
"""Bytes in one word, which a dot product takes."""
_DOT = {"int8": "blockfront.dot_int8", "uint8": "blockfront.dot_uint8"}
_ROUNDED = {"int8": "blockfront.rounded_int8", "uint8": "blockfront.rounded_uint8"}
_WORD = "blockfront.word"
_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
_OPERATIONS = (*_DOT.values(), *_ROUNDED.values(), _WORD)
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


def rounded(value: Any, zero_point: Any, low: Any, high: Any) -> Any:
    """A float32, below 2^31 in size, rounded half to even and moved by an int32, and clamped to the bounds, two bytes,
    of whose type the result is."""
    kind = str(low.ty.dtype)
    return tirx.call_intrin(kind, ir.Op.get(_ROUNDED[kind]), value, zero_point, low, high)


def clamped(value: Any, low: Any, high: Any) -> Any:
    """An int32 clamped to two bytes: to the range of bytes first, as instructions do that make bytes of integers."""
    kind = tvm.DataType(str(low.ty.dtype))
    least, most = _RANGES[str(kind).partition("x")[0]]
    narrow = tirx.max(tirx.min(value, tirx.const(most, value.ty.dtype)), tirx.const(least, value.ty.dtype))
    return tirx.max(tirx.min(tirx.Cast(str(kind), narrow), high), low)


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
    body = tvm_ffi.structural_map(function.body, [(tirx.Add, chosen.sum)], order="pre")
    return function.with_body(tvm_ffi.structural_map(body, [(ir.Call, chosen.call)]))


class _Instructions:
    """What one processor makes of the operations."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        architecture = str(described.get("mtriple", "")).partition("-")[0]
        self._is_arm, self._is_x86 = architecture == "aarch64", architecture == "x86_64"
        self._products = byte_products(described)
        wide = has_features(described, "avx512bw", "avx512vl")
        self._shuffles = self._is_arm or has_features(described, "avx512vbmi")
        self._lanes = 4 if self._is_arm else 16 if wide else 8

    def sum(self, addition: Any) -> Any:
        """A sum, of which some terms may be dot products."""
        terms = _terms(addition)
        dots = [term for term in terms if is_dot(term)]
        if not dots:
            return addition
        total = sum((term for term in terms if not is_dot(term)), start=tirx.const(0, addition.ty.dtype))
        for one in dots:
            total = self._dot(total, _named(one), *one.args)
        return total

    def call(self, call: Any) -> Any:
        """A call, perhaps of one of the operations."""
        name = _named(call)
        if name in _DOT.values():
            return self._dot(tirx.const(0, call.ty.dtype), name, *call.args)
        if name == _WORD:
            return self._word(*call.args)
        return self._rounded(*call.args) if name in _ROUNDED.values() else call

    def _dot(self, total: Any, name: str, activations: Any, weights: Any) -> Any:
        lanes = _lanes(weights)
        made = [n for products, of, n in _DOT_PRODUCTS if (products, of) == (self._products, name) and n <= self._lanes]
        widest = max((n for n in made if lanes % n == 0), default=lanes)
        if widest < lanes:
            parts = zip(*(_parts(value, widest) for value in (total, activations, weights)), strict=True)
            return tirx.Shuffle([self._dot(first, name, *others) for first, *others in parts], list(range(lanes)))
        make = _DOT_PRODUCTS.get((self._products or "", name, lanes), _plain_dot)
        return make(total, activations, weights, name)

    def _word(self, *values: Any) -> Any:
        lanes = _lanes(values[0])
        if self._shuffles and lanes >= 8:
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

    def _rounded(self, value: Any, zero_point: Any, low: Any, high: Any) -> Any:
        kind, lanes = str(value.ty.dtype), _lanes(value)
        whole = _as("int32", lanes)
        if not self._is_x86:
            # Which LLVM makes one instruction of on Arm, together with the conversion.
            name = "llvm.roundeven" if self._is_arm else "llvm.nearbyint"
            return clamped(tirx.Cast(whole, tirx.call_llvm_pure_intrin(kind, name, value)) + zero_point, low, high)
        # Bounds of the float instead, so that all that is left is to narrow it.
        apart = tirx.Cast(kind, zero_point)
        inside = tirx.min(tirx.max(value, tirx.Cast(kind, low) - apart), tirx.Cast(kind, high) - apart)
        byte = low.ty.dtype
        return tirx.Cast(byte, tirx.call_llvm_pure_intrin(whole, "llvm.lrint", inside)) + tirx.Cast(byte, zero_point)


def _lanes(value: Any) -> int:
    return int(tvm.DataType(str(value.ty.dtype)).lanes)


def _terms(expression: Any) -> list[Any]:
    """What a sum adds."""
    if not isinstance(expression, tirx.Add):
        return [expression]
    return [*_terms(expression.a), *_terms(expression.b)]


def _parts(value: Any, lanes: int) -> list[Any]:
    """A vector in parts of so many lanes."""
    starts = range(0, _lanes(value), lanes)
    return [tirx.Shuffle([value], list(range(start, start + lanes))) for start in starts]


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
