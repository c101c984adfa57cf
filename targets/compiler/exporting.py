"""torch module to a graph of ATen operators, with batch normalisation folded into the weights before it."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, Node
from torch.fx.node import map_aggregate
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from blockfront.agreement.outputs import tensors
from blockfront.errors import RunError
from blockfront.evaluation import in_evaluation
from blockfront.signature import Signature
from blockfront.targets.compiler.decompositions import DECOMPOSITIONS, FOREIGN
from blockfront.targets.compiler.decompositions.registry import IS_KNOWN
from blockfront.targets.compiler.folding import fold_batch_norms
from blockfront.targets.compiler.importing.rules import converts
from blockfront.targets.compiler.importing.support import out_of_place

_aten = torch.ops.aten
_SWITCHES = {"train", "training", "dropout", "dropout_p"}
"""Arguments that say whether an operator is random; they are refused where they ask for it."""
_FOREIGN = {torch.bfloat16, *(one for name, one in vars(torch).items() if name.startswith("float8"))}


@dataclass(frozen=True)
class Trace:
    """A module's operators for one inference, and the tensors its `get_attr` nodes name.

    There is a placeholder for each input, and the output node holds a tuple of all outputs in the order of `leaves`.
    Operators stand as the module calls them, before decomposition; `meta["val"]` of a node is a tensor, or a list
    of tensors, of its shape and type on torch's meta device.
    """

    graph: Graph
    constants: dict[str, torch.Tensor]

    def constant(self, tensor: torch.Tensor) -> Node:
        """A new node for a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = tensor
        return _described(self.graph.get_attr(name), tensor)


class _Unproven(RuntimeError):
    """What was recorded need not be what the module computes for another input."""


def export_module(module: nn.Module, signature: Signature) -> Trace:
    """Trace `module` on one inference with inputs of `signature` and fold its batch norms.

    The operators are recorded while the module runs, which takes a tenth of torch.export's time. torch.export is
    asked where the record alone proves nothing: a tensor changed in place while another shares its memory, or
    an operator that TVM lacks. Raises `RunError` for a module whose outputs are random, have sizes that depend on the
    values of its inputs, or depend on a number read out of a tensor.
    """
    names = [one.name for one in signature.inputs]
    module = in_evaluation(module)
    try:
        trace = _record(module, names, signature.zeros())
    except RunError:
        raise
    except RuntimeError as unproven:
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # They are about torch's own code.
                functional = torch.export.export(module, signature.zeros()).run_decompositions({}).module()
        except Exception as error:
            raise RunError(str(unproven)) from error
        try:
            trace = _record(functional, names, signature.zeros())
        except _Unproven as still:
            raise RunError(str(still)) from still
    trace.graph.eliminate_dead_code()
    with torch.no_grad():
        fold_batch_norms(trace)
    return trace


def _record(module: nn.Module, names: Sequence[str], inputs: Sequence[torch.Tensor]) -> Trace:
    # In inference mode composite operators such as conv2d reach the recorder whole.
    with torch.inference_mode(), _unfused(module):
        recorder = _Recorder(names, inputs)
        token = IS_KNOWN.set(recorder.is_known)
        try:
            with recorder:
                returned = module(*inputs)
        finally:
            IS_KNOWN.reset(token)
    recorder.trace.graph.output(tuple(recorder.node(output) for output in tensors(returned).values()))
    return recorder.trace


@contextmanager
def _unfused(module: nn.Module) -> Iterator[None]:
    """Encoders and recurrent layers as their operators, without the fused forms for processors that torch has."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        if any(isinstance(part, nn.RNNBase) for part in module.modules()):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # It tells of the graphics processors it has no support for.
                with torch.backends.mkldnn.flags(enabled=False):
                    yield
        else:
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


class _Storages:
    """The memory of some tensors, held as long as this is: what is freed may be another tensor's the next moment."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {}

    def hold(self, tensor: torch.Tensor) -> None:
        self._held[_memory(tensor)] = tensor.untyped_storage() if tensor.layout == torch.strided else tensor

    def __contains__(self, memory: int) -> bool:
        return memory in self._held


class _Recorder(TorchDispatchMode):
    """Writes down every operator that depends on an input; what does not is a constant."""

    def __init__(self, names: Sequence[str], inputs: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.trace = Trace(Graph(), {})
        # Weak, so that activations are freed as they are without a recorder.
        self._nodes = WeakTensorKeyDictionary()
        for name, tensor in zip(names, inputs, strict=True):
            self._nodes[tensor] = _described(self.trace.graph.placeholder(name), tensor)
        self._constants = WeakTensorKeyDictionary()
        self._constant_memory = _Storages()
        # What the module made of constants alone, and the memory it took for that.
        self._made = WeakTensorKeyDictionary()
        self._own_memory = _Storages()
        # Of views that were decomposed, which are copies here, and of what they view.
        self._apart = _Storages()
        # The operator that drew what a tensor holds, or was computed from.
        self._random = WeakTensorKeyDictionary()

    def is_known(self, tensor: torch.Tensor) -> bool:
        """Whether `tensor` does not depend on an input."""
        return tensor not in self._nodes

    def node(self, tensor: torch.Tensor) -> Node:
        """The node that computes `tensor`, or that holds it."""
        node = self._nodes.get(tensor) or self._constants.get(tensor)
        if tensor in self._random:
            operator = self._random[tensor]
            raise RunError(f"operator {operator} is random: the outputs differ from run to run, and agree with nothing")
        if tensor.layout != torch.strided:
            raise RunError(
                "a tensor of the module is sparse, and there are kernels for dense ones alone: use to_dense()"
            )
        if node is None:
            # Of its own: what is compiled later is what was recorded, whatever becomes of the module.
            node = self._constants[tensor] = self.trace.constant(tensor.detach().clone())
            self._constant_memory.hold(tensor)
        return node

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        read: list[torch.Tensor] = []
        _each_tensor((args, kwargs), read.append)
        depends = any(tensor in self._nodes for tensor in read)
        if _is_random(func) and not (kwargs.get("generator") and not depends):
            return self._drawn(func, func(*args, **kwargs))
        drawn = next((self._random[tensor] for tensor in read if tensor in self._random), None)
        if drawn is not None and not depends:
            return self._drawn(drawn, func(*args, **kwargs))
        if depends and not converts(func, args, kwargs):
            return self._decomposed(func, args, kwargs)
        if func._schema.is_mutable:
            self._check_change(func, args, depends)
        result = func(*args, **kwargs)
        if not depends and not func._schema.is_mutable:
            self._keep_made(result, {_memory(tensor) for tensor in read})
        if depends and result is not None:
            node = self.trace.graph.call_function(func, *_each_tensor((args, kwargs), self.node))
            self._bind(_described(node, result), result)
        return result

    def _keep_made(self, result: Any, read: set[int]) -> None:
        def keep(tensor: torch.Tensor) -> None:
            self._made[tensor] = None
            if _memory(tensor) not in read:
                self._own_memory.hold(tensor)

        _each_tensor(result, keep)

    def _drawn(self, func: Any, result: Any) -> Any:
        """`result`, which may be used for nothing that leaves the module."""
        _each_tensor(result, lambda tensor: self._random.__setitem__(tensor, func))
        return result

    def _decomposed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        table = _decompositions()
        ours = table.get(func) or FOREIGN.get(str(func))
        own = DECOMPOSITIONS.get(_out_of_place(func)) if out_of_place(func.__name__) != func.__name__ else None
        with self:
            if own is not None:
                return args[0].copy_(own(*args, **kwargs))
            result = (ours or func.decompose)(*args, **kwargs)
        if result is NotImplemented:
            raise _Unproven(
                f"operator {func} has neither a converter nor a decomposition for these arguments: write what it "
                "computes with other operators, or leave it out of the module that is compiled"
            )
        if any(one.alias_info for one in func._schema.returns) and not func._schema.is_mutable:
            two = [one for one in (args[0], result) if isinstance(one, torch.Tensor)]
            if len(set(map(_memory, two))) > 1:
                for one in two:
                    self._apart.hold(one)
        return result

    def _check_change(self, func: Any, args: tuple[Any, ...], depends: bool) -> None:
        changed = args[0]
        if not (func._schema.name.endswith("_") and isinstance(changed, torch.Tensor)):
            raise _Unproven(f"operator {func} changes tensors that it does not return")
        memory = _memory(changed)
        if depends and changed not in self._nodes and memory not in self._own_memory:
            raise _Unproven(
                f"operator {func} writes what depends on the input into a tensor that the module keeps for its next "
                "call: compiled code keeps nothing; take such a state as an input and return it"
            )
        sharing = (self._nodes, self._made) if depends else (self._nodes,)
        others = {_memory(tensor) for known in sharing for tensor in known if tensor is not changed}
        if memory in others or memory in self._constant_memory or memory in self._apart:
            raise _Unproven(f"operator {func} changes a tensor whose memory another shares")
        if depends and changed not in self._nodes:
            self._nodes[changed] = self.trace.constant(changed.clone())

    def _bind(self, node: Node, result: Any) -> None:
        if isinstance(result, torch.Tensor):
            if result.is_complex() or result.dtype in _FOREIGN:
                kind = str(result.dtype).removeprefix("torch.")
                raise RunError(f"operator {node.target} computes in {kind}, which cannot be compiled: use float32")
            self._nodes[result] = node
            return
        if not isinstance(result, list | tuple):
            raise RunError(
                f"operator {node.target} reads a number out of a tensor that depends on the input, as item, float(), "
                "and an if or assert on a tensor do: compiled code would keep that of one input; choose by torch.where "
                "and leave such checks out"
            )
        for index, item in enumerate(result):
            part = self.trace.graph.call_function(operator.getitem, (node, index))
            self._bind(_described(part, item), item)


@cache
def _decompositions() -> Any:
    return {**torch.export.default_decompositions(), **DECOMPOSITIONS}


def _is_random(func: Any) -> bool:
    """Whether an operator draws random numbers, however it is called."""
    return torch.Tag.nondeterministic_seeded in func.tags and not any(
        argument.name in _SWITCHES for argument in func._schema.arguments
    )


def _out_of_place(func: Any) -> Any:
    """The operator that gives what `func` writes over its first argument; None where torch has none."""
    packet, _, overload = out_of_place(func.__name__).partition(".")
    return getattr(getattr(_aten, packet, None), overload, None)


def _described(node: Node, value: Any) -> Node:
    """`node` with the shape and type of its value."""
    node.meta["val"] = _each_tensor(value, lambda tensor: torch.empty_like(tensor, device="meta"))
    return node


def _each_tensor(value: Any, function: Callable[[torch.Tensor], Any]) -> Any:
    return map_aggregate(value, lambda leaf: function(leaf) if isinstance(leaf, torch.Tensor) else leaf)


def _memory(tensor: torch.Tensor) -> int:
    """Where its values lie; those that are not dense lie in several places, and nobody else's do."""
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else id(tensor)
