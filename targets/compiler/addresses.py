"""Tensors whose numbers say where a kernel reads or writes others, and what they hold when a network runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm_ffi
from tvm import ir, relax, tirx

Contents = tuple[tuple[int, bytes], ...]
"""Positions of arguments, and the bytes they hold."""


def addressing_arguments(function: tirx.PrimFunc) -> tuple[int, ...]:
    """Positions of a kernel's inputs that an index of another tensor is computed from."""
    addressing: set[str] = set()

    def see_indices(access: Any) -> None:
        addressing.update(_loaded(access.indices))

    tvm_ffi.structural_walk(function.body, [((tirx.BufferStore, ir.TensorLoad), see_indices)])
    if not addressing:
        return ()
    feeding: dict[str, set[str]] = {}

    def see_store(store: Any) -> None:
        feeding.setdefault(str(store.buffer.name), set()).update(_loaded([store.value]))

    tvm_ffi.structural_walk(function.body, [(tirx.BufferStore, see_store)])
    todo = list(addressing)
    while todo:
        more = feeding.get(todo.pop(), set()) - addressing
        addressing |= more
        todo += more
    names = [str(parameter.name) for parameter in function.params]
    return tuple(i for i, name in enumerate(names[:-1]) if name in addressing)


def _loaded(expressions: Any) -> set[str]:
    """Names of the tensors that expressions load from."""
    found: set[str] = set()

    def see(load: Any) -> None:
        found.add(str(load.source.name))

    for expression in expressions:
        tvm_ffi.structural_walk(expression, [(ir.TensorLoad, see)])
    return found


class Addresses:
    """What some arguments of kernels hold when a virtual machine first calls them; `watched` has those by symbol."""

    def __init__(self, watched: Mapping[str, tuple[int, ...]]) -> None:
        self._watched = watched
        self.contents: dict[str, Contents] = {}

    def watch(self, machine: relax.VirtualMachine) -> None:
        """Watch the calls of a machine, if there is anything to watch."""
        if any(self._watched.values()):
            machine.set_instrument(self._see)

    def _see(self, _function: Any, symbol: str, before: bool, _returned: Any, *arguments: Any) -> None:
        positions = self._watched.get(symbol, ())
        if before and positions and symbol not in self.contents:
            self.contents[symbol] = tuple((i, arguments[i].numpy().tobytes()) for i in positions)
