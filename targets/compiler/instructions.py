"""What processors make of operations on bytes (`byte_operations.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
import tvm_ffi
from tvm import ir, tirx

from blockfront.targets.compiler.byte_operations import (
    DOT,
    HALF_OF,
    LOOKED_UP,
    OPERATIONS,
    ROUNDED,
    WORD_OF,
    bytes_of_dot,
    is_dot,
    operation,
)
from blockfront.targets.compiler.dot_products import DOT_PRODUCTS, as_bytes, lanes_of, plain_dot
from blockfront.targets.hardware.instruction_set import instruction_set
from blockfront.targets.hardware.integer import byte_products, has_features
from blockfront.targets.hardware.machine import WORD

_UNITS, _UNITS_BITS = 1.5 * 2**23, 0x4B400000
"""A float32 among those that are 1 apart, and its bits."""


def with_instructions(module: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    """Lowered loops with the instructions of `target` in place of the operations."""
    chosen = _Instructions(dict(target.export()))
    return tvm.IRModule({name: _replaced(function, chosen) for name, function in module.functions_items()})


def _replaced(function: tirx.PrimFunc, chosen: _Instructions) -> tirx.PrimFunc:
    found: list[str] = []
    tvm_ffi.structural_walk(function.body, [(ir.Call, lambda call: found.append(operation(call)))])
    if not any(name in OPERATIONS for name in found):
        return function
    # Sums first, because one instruction may add as well.
    body = tvm_ffi.structural_map(function.body, [(tirx.Add, chosen.sum)], order="pre")
    return function.with_body(tvm_ffi.structural_map(body, [(ir.Call, chosen.call)]))


class _Instructions:
    """What one processor makes of the operations."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        architecture = instruction_set(str(described.get("mtriple", "")))
        self._is_arm, self._is_x86 = architecture == "aarch64", architecture == "x86_64"
        self._products = byte_products(described)
        wide = has_features(described, "avx512bw", "avx512vl")
        self._shuffles = has_features(described, "avx512vbmi")
        # Elsewhere a comparison and a choice are as good, or the intrinsic is a function of a library.
        self._bounds_floats = any(has_features(described, one) for one in ("v", "mve.fp", "fp-armv8d16sp"))
        self._lanes = 4 if self._is_arm else 16 if wide else 8

    def sum(self, addition: Any) -> Any:
        """A sum, of which some terms may be dot products."""
        joined: list[Any] = []
        dots: list[Any] = []
        others: list[Any] = []
        for term in _terms(addition):
            (joined if self._is_joined(term) else dots if is_dot(term) else others).append(term)
        if not joined and not dots:
            return addition
        total = sum(others[1:], start=others[0]) if others else tirx.const(0, addition.ty.dtype)
        for first in range(0, len(joined), 2):
            total = self._added_pairs(total, joined[first : first + 2])
        for one in dots:
            total = self._dot(total, operation(one), *one.args)
        return total

    def call(self, call: Any) -> Any:
        """A call, perhaps of one of the operations."""
        name = operation(call)
        if name in DOT.values():
            return self._dot(tirx.const(0, call.ty.dtype), name, *call.args)
        if name == WORD_OF:
            return self._word(*call.args)
        if name == HALF_OF:
            value, place = call.args
            return tirx.Cast(call.ty.dtype, value >> (place * 16))
        if name in LOOKED_UP.values():
            return self._looked_up(*call.args)
        return self._rounded(*call.args) if name in ROUNDED.values() else call

    def _dot(self, total: Any, name: str, activations: Any, weights: Any) -> Any:
        lanes = lanes_of(weights)
        made = [n for products, of, n in DOT_PRODUCTS if (products, of) == (self._products, name) and n <= self._lanes]
        widest = max((n for n in made if lanes % n == 0), default=lanes)
        if widest < lanes:
            parts = zip(*(_parts(value, widest) for value in (total, activations, weights)), strict=True)
            return tirx.Shuffle([self._dot(first, name, *others) for first, *others in parts], list(range(lanes)))
        make = DOT_PRODUCTS.get((self._products or "", name, lanes), plain_dot)
        return make(total, activations, weights, name)

    def _is_joined(self, term: Any) -> bool:
        """Whether a term of a sum is multiplied in int16, where the sum of two still fits: 2 · 127 · 128 < 2^15."""
        if self._products != "smull":
            return False
        if is_dot(term):
            return bytes_of_dot(term) == 2 and lanes_of(term) % 4 == 0
        factors = [term.a, term.b] if isinstance(term, tirx.Mul) else []
        from_bytes = [isinstance(one, tirx.Cast) and str(one.value.ty.dtype).startswith("int8x") for one in factors]
        return bool(factors) and all(from_bytes) and lanes_of(term) % 8 == 0

    def _added_pairs(self, total: Any, terms: list[Any]) -> Any:
        """A total and one or two products, or dots of two products, eight bytes of each operand at a time."""
        dots = is_dot(terms[0])
        factors = [[as_bytes(one) for one in term.args] if dots else [term.a.value, term.b.value] for term in terms]
        lanes = 4 if dots else 8
        added = []
        multiply = "llvm.aarch64.neon.smull.v8i16" if self._is_arm else "llvm.arm.neon.vmulls.v8i16"
        by_term = [zip(*(_parts(one, 8) for one in pair), strict=True) for pair in factors]
        for part, *pairs in zip(_parts(total, lanes), *by_term, strict=True):
            products = [tirx.call_llvm_pure_intrin("int16x8", multiply, *reversed(pair)) for pair in pairs]
            joined = sum(products[1:], start=products[0])
            if not dots:
                added.append(part + tirx.Cast("int32x8", joined))
            elif self._is_arm:
                added.append(
                    part + tirx.call_llvm_pure_intrin("int32x4", "llvm.aarch64.neon.saddlp.v4i32.v8i16", joined)
                )
            else:
                added.append(tirx.call_llvm_pure_intrin("int32x4", "llvm.arm.neon.vpadals.v4i32.v8i16", part, joined))
        return added[0] if len(added) == 1 else tirx.Shuffle(added, list(range(lanes_of(total))))

    def _word(self, *values: Any) -> Any:
        lanes = lanes_of(values[0])
        if self._is_arm and lanes == 16:
            return _zipped(*values)
        if self._shuffles and lanes >= 8:
            order = [place * lanes + lane for lane in range(lanes) for place in range(4)]
            return tirx.reinterpret(f"int32x{lanes}", tirx.Shuffle(list(values), order))
        result = None
        for place, value in enumerate(values):
            wide = tirx.Cast(_as("int32", lanes), value)
            if place < len(values) - 1:
                wide = wide & tirx.const(255, _as("int32", lanes))
            wide = wide << tirx.const(8 * place, _as("int32", lanes)) if place else wide
            result = wide if result is None else result | wide
        return result if len(values) == WORD else tirx.Cast(_as("int16", lanes), result)

    def _looked_up(self, value: Any, first: Any) -> Any:
        kind, lanes = str(value.ty.dtype), lanes_of(value)
        table = (first.value if isinstance(first, tirx.Broadcast) else first).source
        place = tirx.Cast(_as("uint8", lanes), value) ^ tirx.const(128, _as("uint8", lanes))
        if kind.startswith("uint8"):
            place = value

        def part(start: int, size: int) -> Any:
            return tirx.BufferLoad(table, [tirx.Ramp(start, 1, size)])

        if self._is_arm and lanes == 16:
            found = None
            for start in range(0, 256, 64):
                four = [part(start + more, 16) for more in range(0, 64, 16)]
                where = place - tirx.const(start, "uint8x16")
                known: list[Any] = [] if found is None else [found]
                name = "tbl4" if found is None else "tbx4"
                found = tirx.call_llvm_pure_intrin(kind, f"llvm.aarch64.neon.{name}.v16i8", *known, *four, where)
            return found
        if self._shuffles and 64 % lanes == 0 and lanes >= 8:
            wide = tirx.Shuffle([place] * (64 // lanes), list(range(64))) if lanes < 64 else place
            whole = f"{kind.partition('x')[0]}x64"
            halves = [
                tirx.call_llvm_pure_intrin(
                    whole, "llvm.x86.avx512.vpermi2var.qi.512", part(start, 64), wide, part(start + 64, 64)
                )
                for start in (0, 128)
            ]
            found = tirx.Select(wide >= tirx.const(128, "uint8x64"), halves[1], halves[0])
            return tirx.Shuffle([found], list(range(lanes))) if lanes < 64 else found
        return tirx.BufferLoad(table, [tirx.Cast(_as("int32", lanes), place)])

    def _rounded(self, value: Any, zero_point: Any, low: Any, high: Any) -> Any:
        kind, lanes = str(value.ty.dtype), lanes_of(value)
        whole = _as("int32", lanes)
        if self._is_arm and lanes % 8 == 0:
            narrow = _narrowed_by_arm(value, tirx.Cast(f"int16x{lanes}", zero_point))
            return tirx.max(tirx.min(narrow, high), low)
        # Bounds of the float instead, so that all that is left is to narrow it.
        apart = tirx.Cast(kind, zero_point)
        bounds = tirx.Cast(kind, low) - apart, tirx.Cast(kind, high) - apart
        if self._bounds_floats:
            above = tirx.call_llvm_pure_intrin(kind, "llvm.maxnum", value, bounds[0])
            inside = tirx.call_llvm_pure_intrin(kind, "llvm.minnum", above, bounds[1])
        else:
            inside = tirx.min(tirx.max(value, bounds[0]), bounds[1])
        byte = low.ty.dtype
        if self._is_x86:
            near = tirx.call_llvm_pure_intrin(whole, "llvm.lrint", inside)
        else:
            # Not every processor rounds half to even in one instruction, but every sum of two floats does.
            near = tirx.reinterpret(whole, inside + tirx.const(_UNITS, kind)) - tirx.const(_UNITS_BITS, whole)
        return tirx.Cast(byte, near) + tirx.Cast(byte, zero_point)


def _zipped(*values: Any) -> Any:
    """Four vectors of sixteen bytes as sixteen words."""

    def zipped(first: Any, second: Any) -> list[Any]:
        return [
            tirx.Shuffle([first, second], [lane + 16 * which for lane in half for which in (0, 1)])
            for half in (range(8), range(8, 16))
        ]

    even, odd = zipped(values[0], values[2]), zipped(values[1], values[3])
    words = [tirx.reinterpret("int32x4", part) for pair in zip(even, odd, strict=True) for part in zipped(*pair)]
    return tirx.Shuffle(words, list(range(16)))


def _narrowed_by_arm(value: Any, zero_point: Any) -> Any:
    """float32 to int8, rounded half to even: each step saturates, so that what is too large stays so."""
    bytes_of: list[Any] = []
    for eight, moved in zip(_parts(value, 8), _parts(zero_point, 8), strict=True):
        halves = [
            tirx.call_llvm_pure_intrin(
                "int16x4",
                "llvm.aarch64.neon.sqxtn.v4i16",
                tirx.call_llvm_pure_intrin("int32x4", "llvm.aarch64.neon.fcvtns.v4i32.v4f32", four),
            )
            for four in _parts(eight, 4)
        ]
        joined = tirx.Shuffle(halves, list(range(8)))
        apart = tirx.call_llvm_pure_intrin("int16x8", "llvm.aarch64.neon.sqadd.v8i16", joined, moved)
        bytes_of.append(tirx.call_llvm_pure_intrin("int8x8", "llvm.aarch64.neon.sqxtn.v8i8", apart))
    return tirx.Shuffle(bytes_of, list(range(lanes_of(value)))) if len(bytes_of) > 1 else bytes_of[0]


def _terms(expression: Any) -> list[Any]:
    """What a sum adds."""
    if not isinstance(expression, tirx.Add):
        return [expression]
    return [*_terms(expression.a), *_terms(expression.b)]


def _parts(value: Any, lanes: int) -> list[Any]:
    """A vector in parts of so many lanes."""
    starts = range(0, lanes_of(value), lanes)
    return [tirx.Shuffle([value], list(range(start, start + lanes))) for start in starts]


def _as(kind: str, lanes: int) -> str:
    return kind if lanes == 1 else f"{kind}x{lanes}"
