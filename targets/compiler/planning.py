"""The memory that TVM planned for a network: how much, and what each call of a kernel works on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import tvm
from tvm import relax

ALIGNMENT = 128
"""Tensors begin at multiples of this many bytes, as TVM's allocator has them."""


@dataclass(frozen=True)
class Call:
    """One call of a kernel: its symbol, and where each argument begins in one block of memory, in bytes."""

    symbol: str
    offsets: tuple[int, ...]


def planned_bytes(module: tvm.IRModule) -> int:
    """Bytes planned for activations, the image excluded."""
    return sum(_storage_bytes(value) for _, value in _bindings(module))


def planned_calls(module: tvm.IRModule) -> tuple[Call, ...]:
    """The calls of kernels in order, once every kernel is called by its symbol.

    The image, the activations as TVM planned them and all weights lie in one block, one after the other.
    """
    block = _Block()
    for parameter in module["main"].params:
        block.place(parameter, _tensor_bytes(parameter.ty))
    calls = []
    for variable, value in _bindings(module):
        name = getattr(value.op, "name", "") if isinstance(value, relax.Call) else ""
        if _storage_bytes(value):
            block.place(variable, _storage_bytes(value))
        elif name == "relax.memory.alloc_tensor":
            block.put(variable, block.offset(value.args[0]) + int(value.args[1].value))
        elif name in ("relax.reshape", "relax.memory.view"):
            block.put(variable, block.offset(value.args[0]))
        elif isinstance(value, relax.Call):
            if isinstance(value.op, relax.ExternFunc):
                calls.append(Call(str(value.op.global_symbol), tuple(map(block.offset, value.args))))
        elif isinstance(value, relax.Tuple):
            block.put(variable, [block.offset(field) for field in value.fields])
        elif isinstance(value, relax.TupleGetItem):
            block.put(variable, block.offset(value.tuple_value)[value.index])
        else:
            block.put(variable, block.offset(value))
    return tuple(calls)


class _Block:
    """Where things lie: variables, constants as they are met, and tuples field by field."""

    def __init__(self) -> None:
        self._offsets: dict[Any, Any] = {}
        self._end = 0

    def place(self, thing: Any, size: int) -> None:
        self._offsets[thing] = self._end
        self._end += -(-size // ALIGNMENT) * ALIGNMENT

    def put(self, thing: Any, offset: Any) -> None:
        self._offsets[thing] = offset

    def offset(self, thing: Any) -> Any:
        if thing not in self._offsets:
            self.place(thing, _tensor_bytes(thing.ty))
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
