"""An int8 network as a `.tflite` file: what every operator's form has to hand."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule

from blockfront.errors import RunError
from blockfront.targets.compiler.importing.rules import Node
from blockfront.targets.latency.ethos.storing import StoredOrder, merged, reshaped, same_storage, stored, usual
from blockfront.targets.latency.ethos.tflite_file import Grid, TfliteFile
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.emitting import AFFINE

KINDS = {torch.float32: "float32", torch.int64: "int32", torch.bool: "bool"}
"""The types of numbers that are no int8s, as a file names them: vela fails at sums of 64 bits."""
_LARGEST_SCALE = 2.0**31
"""Vela leaves operators with greater ones to the processor."""


@dataclass(frozen=True)
class Value:
    """A tensor of the file: torch's shape, the order it is stored in, how its int8s are reals, and else its `kind`."""

    tensor: int
    shape: tuple[int, ...]
    order: StoredOrder
    affine: Affine | None
    kind: str = "float32"

    @property
    def int8(self) -> Affine:
        """How its int8s are reals."""
        assert self.affine is not None
        return self.affine

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The extents as they are stored."""
        return stored(self.shape, self.order)


@dataclass(frozen=True)
class Port:
    """An input or output of the file: whose values of the network it holds, and how."""

    node: str
    order: StoredOrder
    affine: Affine | None
    steps: int = 1


@dataclass(frozen=True)
class Converted:
    """A file, its inputs in order, and its outputs with their places in order: several may be one tensor."""

    content: bytes
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    places: tuple[int, ...]


Form = Callable[["TfliteWriter", Node], Value | list[Value]]
"""Writes an operator of a network; what it gives."""


@dataclass
class TfliteWriter:
    """Writes the operators of an int8 graph, whose values are known for one input.

    Where operators stand `apart`, each reads inputs of the file in place of what others give, and all that are written
    give outputs of the file: so each can be checked by itself. With `inside` the values within the network are outputs
    too. `macs` are those of layers, by the tensor that each gives, when the file is written.
    """

    network: GraphModule
    known: dict[Node, Any]
    forms: dict[str, Form]
    apart: bool = False
    inside: bool = False
    file: TfliteFile = field(default_factory=TfliteFile)
    macs: dict[str, int] = field(default_factory=dict)
    _values: dict[Node, Value | list[Value]] = field(default_factory=dict)
    _inputs: list[tuple[int, Port]] = field(default_factory=list)
    _outputs: list[tuple[int, Port]] = field(default_factory=list)
    _steps: dict[str, int] = field(default_factory=dict)
    _named: Counter[str] = field(default_factory=Counter)
    _written: int = 0

    def write_file(self) -> Converted:
        """The file. Raises `RunError` for an operator without a form."""
        for node in self.network.graph.nodes:
            if node.op == "call_function":
                written = self._written
                self._values[node] = self._form(node)(self, node)
                written_here = self._written > written or node.target is operator.getitem
                if self.inside or (self.apart and written_here):
                    self._give(node, self._values[node])
            elif node.op == "output" and not (self.apart or self.inside):
                for one in node.args[0]:
                    self._give(one, self._values[one])
        (ins, takes), (outs, gives) = zip(*self._inputs, strict=True), zip(*self._outputs, strict=True)
        unlike = list(dict.fromkeys(outs))
        return Converted(self.file.packed(ins, unlike), takes, gives, tuple(map(unlike.index, outs)))

    def _form(self, node: Node) -> Form:
        name = _name_of(node)
        if name not in self.forms:
            raise RunError(f"no form of {name} in a .tflite file")
        return self.forms[name]

    def constant(self, node: Node) -> Tensor:
        """The value of a constant of the network."""
        found: Tensor = getattr(self.network, str(node.target))
        return found

    def shape(self, node: Node) -> tuple[int, ...]:
        """Torch's shape of what an operator gives."""
        return tuple(self.known[node].shape)

    def affine(self, node: Node) -> Affine | None:
        """How the int8s that an operator gives are reals; of a layer that gives floats, by its least and greatest."""
        found: Affine | None = node.meta.get(AFFINE)
        if found is None and "linear_float" in str(node.target):
            values = self.known[node]
            found = Affine.spanning(float(values.min()), float(values.max()))
        return found

    def counts(self, name: str, shape: Sequence[int], macs: int) -> None:
        """Note the multiply-adds of a layer that gives the tensor `name`, of so many for each number of its shape."""
        self.macs[name] = prod(shape) * macs

    def tolerates(self, node: Node, steps: float) -> None:
        """Say by how many steps an operator's form may be off."""
        self._steps[node.name] = ceil(steps)

    def read(self, node: Node, order: StoredOrder | None = None) -> Value:
        """What an operator reads, in an order."""
        found = self._given(node)
        if self.apart and node.op == "call_function":
            found = self._input(node, found)
        return found if order is None else self.ordered(found, order)

    def floats(self, node: Node) -> Value:
        """What an operator reads, as float32."""
        found = self._given(node)
        if found.affine is None:
            return self.read(node)
        if self.apart:
            return self._input(node, replace(found, affine=None))
        made = self.tensor(f"{node.name}_float", found.shape, found.order, None)
        self.write("DEQUANTIZE", [found], [made])
        return made

    def typed(self, node: Node | float, dtype: torch.dtype) -> Value:
        """What an operator reads, or a number, as numbers of this type."""
        if not isinstance(node, torch.fx.Node):
            return self.number(torch.tensor(node, dtype=dtype))
        found = self.floats(node)
        if found.kind == KINDS[dtype]:
            return found
        made = self.tensor(f"{node.name}_{KINDS[dtype]}", found.shape, found.order, None, KINDS[dtype])
        self.write("CAST", [found], [made])
        return made

    def number(self, value: float | Tensor, shape: Sequence[int] = (), order: StoredOrder = ()) -> Value:
        """A constant of torch's shape, float32 where it is no tensor of another type."""
        dtype = value.dtype if isinstance(value, Tensor) and value.dtype in KINDS else torch.float32
        data = torch.as_tensor(value, dtype=dtype).reshape(tuple(shape)).permute(order).contiguous().numpy()
        data = data.astype(np.int32) if dtype == torch.int64 else data
        name = f"number_{self._written}_{len(self.file)}"
        return Value(
            self.file.tensor(name, data.shape, KINDS[dtype], data=data), tuple(shape), order, None, KINDS[dtype]
        )

    def _given(self, node: Node) -> Value:
        if node.op == "get_attr":
            constant = self.constant(node)
            return self.number(constant, constant.shape, usual(constant.ndim))
        if node.op == "placeholder" and node not in self._values:
            self._values[node] = self._input(node, Value(-1, self.shape(node), usual(self.known[node].ndim), None))
        found = self._values[node]
        assert isinstance(found, Value)
        return found

    def read_part(self, node: Node, place: int) -> Value:
        """One of several tensors that an operator gives."""
        found = self._values[node]
        assert isinstance(found, list)
        return found[place]

    def image(self, node: Node) -> Value:
        """The input of the file."""
        return self._input(node, Value(-1, self.shape(node), usual(self.known[node].ndim), self.affine(node)))

    def _input(self, node: Node, like: Value) -> Value:
        made = self.tensor(node.name, like.shape, like.order, like.affine, like.kind)
        self._inputs.append((made.tensor, Port(node.name, like.order, like.affine)))
        return made

    def _give(self, node: Node, found: Value | list[Value]) -> None:
        if isinstance(found, Value) and found.tensor not in [tensor for tensor, _ in self._inputs]:
            port = Port(node.name, found.order, found.affine, self._steps.get(node.name, 1))
            self._outputs.append((found.tensor, port))

    def tensor(
        self, name: str, shape: Sequence[int], order: StoredOrder, affine: Affine | None, kind: str = "float32"
    ) -> Value:
        """A tensor that an operator gives: of int8s, or of `kind`.

        Raises `RunError` for a scale that vela takes for a negative one.
        """
        if affine is not None and affine.scale >= _LARGEST_SCALE:
            raise RunError(
                f"{name} has steps of {affine.scale:.1e}, as with weights that let values grow: vela takes none"
            )
        shape = tuple(shape)
        self._named[name] += 1
        if self._named[name] > 1:
            name = f"{name}_{self._named[name]}"
        grid = None if affine is None else Grid((affine.scale,), affine.zero_point)
        made = self.file.tensor(name, stored(shape, order), kind if affine is None else "int8", grid)
        return Value(made, shape, order, affine, kind)

    def result(self, node: Node, order: StoredOrder | None = None) -> Value:
        """The tensor of what an operator gives, in its usual order."""
        shape = self.shape(node)
        kind = KINDS.get(self.known[node].dtype, "float32")
        return self.tensor(node.name, shape, order or usual(len(shape)), self.affine(node), kind)

    def write(
        self, code: str, inputs: Sequence[Value | int], outputs: Sequence[Value], options: str = "", **fields: Any
    ) -> None:
        """An operator of the file; what is no value is a tensor by its place."""
        self._written += 1
        places = [one.tensor if isinstance(one, Value) else one for one in inputs]
        self.file.operator(code, places, [one.tensor for one in outputs], options, **fields)

    def ordered(self, value: Value, order: StoredOrder) -> Value:
        """A value in another order, transposed where that moves bytes."""
        if same_storage(value.shape, value.order, order):
            return self._viewed(value, value.shape, order)
        extents, permutation = merged(value.shape, value.order, order)
        flat = self._viewed(value, extents, tuple(range(len(extents))))
        turned = self.tensor("turned", [extents[i] for i in permutation], flat.order, value.affine, value.kind)
        self.write("TRANSPOSE", [flat, self.file.whole_numbers(permutation)], [turned], "TransposeOptions")
        return self._viewed(turned, value.shape, order)

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """A value in another shape of torch's."""
        before, after = reshaped(value.shape, shape, value.order)
        return self._viewed(self.ordered(value, before), tuple(shape), after)

    def _viewed(self, value: Value, shape: Sequence[int], order: StoredOrder) -> Value:
        """The same bytes."""
        extents = stored(shape, order)
        if extents == value.stored_shape:
            return Value(value.tensor, tuple(shape), order, value.affine, value.kind)
        made = self.tensor("viewed", shape, order, value.affine, value.kind)
        new_shape = np.array(extents, np.int32)
        self.write("RESHAPE", [value, self.file.whole_numbers(extents)], [made], "ReshapeOptions", newShape=new_shape)
        return made


def all_values(network: GraphModule, inputs: Sequence[Tensor]) -> dict[Node, Any]:
    """What every operator of a network gives for an input."""
    found: dict[Node, Any] = {}

    class Keeping(torch.fx.Interpreter):
        def run_node(self, n: Node) -> Any:
            found[n] = super().run_node(n)
            return found[n]

    with torch.no_grad():
        Keeping(network, garbage_collect_values=False).run(*inputs)
    return found


def _name_of(node: Node) -> str:
    """Of an operator with the library it is in, of anything else alone."""
    name = str(getattr(node.target, "__name__", node.target)).partition(".")[0]
    library = getattr(node.target, "namespace", "")
    return f"{library}.{name}" if library else name
