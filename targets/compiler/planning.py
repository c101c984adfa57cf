"""The memory that TVM planned for a network: how much, and what each call of a kernel works on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tvm
from tvm import relax

ALIGNMENT = 128
"""Tensors begin at multiples of this many bytes, as TVM's allocator has them."""


@dataclass(frozen=True)
class Call:
    """One call of a kernel: its symbol, and where each argument begins in one block of memory, in bytes."""

    symbol: str
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A stretch of the block: where it begins and its size in bytes, and what lies there.

    `kind` is "input", "activations" (shared by tensors one after another), "output" (a tensor that leaves the network
    and shares its memory with none) or "weights".
    """

    offset: int
    bytes: int
    kind: str


@dataclass(frozen=True)
class MemoryPlan:
    """The calls of kernels in order, and one block of memory that they work in.

    Inputs, activations as TVM planned them and all weights lie in the block, one after the other: `places`, by offset.
    `outputs` are the offsets of what the network gives. A tensor that is given as it came in, a constant, or one that
    is given twice lies where it lies.
    """

    calls: tuple[Call, ...] = ()
    places: tuple[Place, ...] = ()
    outputs: tuple[int, ...] = ()

    def bytes(self, *kinds: str) -> int:
        """Bytes of the places of these kinds."""
        return sum(place.bytes for place in self.places if place.kind in kinds)


def planned_bytes(module: tvm.IRModule) -> int:
    """Bytes planned for activations, the image excluded."""
    return sum(_storage_bytes(value) for _, value in _bindings(module))


def planned(module: tvm.IRModule) -> tuple[MemoryPlan, tuple[np.ndarray, ...]]:
    """The plan of a module whose kernels are called by their symbols, and the weights, in the order of their places."""
    block = _Block()
    for parameter in module["main"].params:
        block.place(parameter, _tensor_bytes(parameter.ty), "input")
    calls = []
    for variable, value in _bindings(module):
        name = getattr(value.op, "name", "") if isinstance(value, relax.Call) else ""
        if _storage_bytes(value):
            shared = name == "relax.memory.alloc_storage"
            block.place(variable, _storage_bytes(value), "activations" if shared else "output")
        elif name == "relax.memory.alloc_tensor":
            block.put(variable, block.offset(value.args[0]) + int(value.args[1].value))
        elif name in ("relax.reshape", "relax.memory.view"):
            block.put(variable, block.offset(value.args[0]))
        elif isinstance(value, relax.Call):
            if isinstance(value.op, relax.ExternFunc):
                calls.append(Call(str(value.op.global_symbol), tuple(map(block.offset, value.args))))
        else:
            block.put(variable, block.offset(value))
    returned = block.offset(module["main"].body.body)
    outputs = tuple(returned) if isinstance(returned, list) else (returned,)
    return MemoryPlan(tuple(calls), tuple(block.places), outputs), tuple(block.weights)


class _Block:
    """Where things lie: variables, constants as they are met, and tuples field by field."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.weights: list[np.ndarray] = []
        self._offsets: dict[Any, Any] = {}
        self._end = 0

    def place(self, thing: Any, size: int, kind: str) -> None:
        self._offsets[thing] = self._end
        self.places.append(Place(self._end, size, kind))
        self._end += -(-size // ALIGNMENT) * ALIGNMENT

    def put(self, thing: Any, offset: Any) -> None:
        self._offsets[thing] = offset

    def offset(self, thing: Any) -> Any:
        if thing in self._offsets:
            return self._offsets[thing]
        if isinstance(thing, relax.Tuple):
            return [self.offset(field) for field in thing.fields]
        if isinstance(thing, relax.TupleGetItem):
            return self.offset(thing.tuple_value)[thing.index]
        self.place(thing, _tensor_bytes(thing.ty), "weights")
        self.weights.append(thing.value.numpy())
        return self._offsets[thing]


def _bindings(module: tvm.IRModule) -> list[tuple[Any, Any]]:
    return [(binding.var, binding.value) for block in module["main"].body.blocks for binding in block.bindings]


def _storage_bytes(value: Any) -> int:
    """Of a storage, or of a tensor with one of its own; 0 for anything else."""
    name = getattr(value.op, "name", "") if isinstance(value, relax.Call) else ""
    if name == "relax.memory.alloc_storage":
        return int(value.args[0].values[0])
    if name == "relax.builtin.alloc_tensor":
        return prod(int(extent) for extent in value.args[0].values) * tvm.DataType(str(value.args[1].value)).bits // 8
    return 0


def _tensor_bytes(kind: Any) -> int:
    return prod(int(extent) for extent in kind.shape) * tvm.DataType(str(kind.dtype)).bits // 8
