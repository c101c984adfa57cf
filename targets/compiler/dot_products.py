"""Sums of products of bytes (`byte_operations.dot`), by the instructions that processors have for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import tirx

from blockfront.targets.compiler.byte_operations import DOT


def lanes_of(value: Any) -> int:
    """How many numbers a vector has."""
    return int(tvm.DataType(str(value.ty.dtype)).lanes)


def as_bytes(value: Any, kind: str = "int8") -> Any:
    width = tvm.DataType(str(value.ty.dtype)).bits // 8
    return tirx.reinterpret(f"{kind}x{width * lanes_of(value)}", value)


def plain_dot(total: Any, activations: Any, weights: Any, name: str) -> Any:
    """By widening both bytes, which a multiply-add of integers may do with one operand for all lanes."""
    for place in range(tvm.DataType(str(weights.ty.dtype)).bits // 8):
        factors = _byte_of(activations, place, name == DOT["int8"]), _byte_of(weights, place)
        first, second = (tirx.Cast(total.ty.dtype, factor) for factor in factors)
        total = total + first * second
    return total


def _byte_of(words: Any, place: int, signed: bool = True) -> Any:
    """A byte of each word, as wide as the word; of one word for all lanes it is taken once."""
    if isinstance(words, tirx.Broadcast):
        return tirx.Broadcast(_byte_of(words.value, place, signed), words.lanes)
    kind, spare = words.ty.dtype, tvm.DataType(str(words.ty.dtype)).bits - 8
    if not signed:
        return (words >> tirx.const(8 * place, kind)) & tirx.const(255, kind)
    return (words << tirx.const(spare - 8 * place, kind)) >> tirx.const(spare, kind)


def _accumulating(intrinsic: str, activation: str) -> Callable[..., Any]:
    """An instruction that adds the products of bytes to a total."""

    def make(total: Any, activations: Any, weights: Any, _name: str) -> Any:
        operands = [as_bytes(weights), as_bytes(activations, activation)]
        ordered = operands if activation == "int8" else operands[::-1]
        return tirx.call_llvm_pure_intrin(weights.ty.dtype, intrinsic, total, *ordered)

    return make


def _pmaddwd(intrinsic: str) -> Callable[..., Any]:
    """Bytes in even and in odd places as int16, which are multiplied and added by pairs: VPMADDUBSW, which takes bytes,
    saturates."""

    def make(total: Any, activations: Any, weights: Any, _name: str) -> Any:
        kind, words = weights.ty.dtype, f"int16x{2 * lanes_of(weights)}"
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


def _smlad(total: Any, activations: Any, weights: Any, _name: str) -> Any:
    """Bytes in even and in odd places as two int16 each, whose products one instruction adds to a total."""
    words = [activations, weights]
    for first in (0, 8):
        # The rotation is part of the instruction.
        rotated = [_of_int32("llvm.fshr", word, word, tirx.const(first, "int32")) if first else word for word in words]
        total = _of_int32("llvm.arm.smlad", *(_of_int32("llvm.arm.sxtb16", word) for word in rotated), total)
    return total


def _of_int32(intrinsic: str, *operands: Any) -> Any:
    return tirx.call_llvm_pure_intrin("int32", intrinsic, *operands)


DOT_PRODUCTS: dict[tuple[str, str, int], Callable[..., Any]] = {
    ("sdot", DOT["int8"], 4): _accumulating("llvm.aarch64.neon.sdot.v4i32.v16i8", "int8"),
    ("sdot", DOT["int8"], 2): _accumulating("llvm.aarch64.neon.sdot.v2i32.v8i8", "int8"),
    ("smlad", DOT["int8"], 1): _smlad,
    ("vpdpbusd", DOT["uint8"], 16): _accumulating("llvm.x86.avx512.vpdpbusd.512", "uint8"),
    ("vpdpbusd", DOT["uint8"], 8): _accumulating("llvm.x86.avx512.vpdpbusd.256", "uint8"),
    ("vpdpbusd", DOT["uint8"], 4): _accumulating("llvm.x86.avx512.vpdpbusd.128", "uint8"),
    ("pmaddwd", DOT["uint8"], 16): _pmaddwd("llvm.x86.avx512.pmaddw.d.512"),
    ("pmaddwd", DOT["uint8"], 8): _pmaddwd("llvm.x86.avx2.pmadd.wd"),
    ("pmaddwd", DOT["uint8"], 4): _pmaddwd("llvm.x86.sse2.pmadd.wd"),
}
