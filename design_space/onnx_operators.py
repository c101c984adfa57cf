"""ONNX models in the operators and forms that onnx2torch knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

VERSION = 17
"""Of ONNX's operators: what onnx2torch knows ends there."""

_CONSTANTS_APART = 4
"""The format since which constants need not be inputs too; ONNX Runtime's own are none in files of older ones."""

_DOMAIN = ("", "ai.onnx")
"""Names of ONNX's own operators' domain."""

Rewrite = Callable[[Any, "_Known"], "Iterable[Any] | None"]


class UnknownOperator(Exception):
    """An operator, by its name, that is newer than onnx2torch."""


def in_known_operators(model: Any) -> Any:
    """A model in operators of `VERSION` and forms of them that onnx2torch knows, as far as there is a way.

    Newer operators become what they stand for. Raises UnknownOperator for one that is too new; what else is left is for
    onnx2torch to refuse.
    """
    import onnx.version_converter

    model.ir_version = max(model.ir_version, _CONSTANTS_APART)
    model = _inlined(model, lambda name, _: not _is_operator(name, VERSION))
    own = next(one for one in model.opset_import if one.domain in _DOMAIN)
    if own.version < VERSION:
        # onnx has a way to newer versions, and to older ones of few operators only.
        model = onnx.version_converter.convert_version(model, VERSION)
    _rewrite(model)
    if own.version > VERSION:
        for node in model.graph.node:
            if node.domain in _DOMAIN and not _fits(node, own.version):
                raise UnknownOperator(node.op_type)
        own.version = VERSION
    return _inlined(model, lambda name, version: not _has_converter(name, version))


def _fits(node: Any, version: int) -> bool:
    """Whether an operator of a newer version is as `VERSION` has it, without attributes that say what is usual."""
    import onnx.defs

    if not _is_operator(node.op_type, VERSION):
        return False
    newer, older = (onnx.defs.get_schema(node.op_type, one, "") for one in (version, VERSION))
    for one in [one for one in node.attribute if one.name not in older.attributes]:
        if one != newer.attributes[one.name].default_value:
            return False
        node.attribute.remove(one)
    return len(node.input) <= older.max_input


def _inlined(model: Any, asked: Callable[[str, int], bool]) -> Any:
    """A model with those of ONNX's functions that are asked for, by name and version, as the operators they are of."""
    import onnx.inliner

    version = next(one.version for one in model.opset_import if one.domain in _DOMAIN)
    names = {node.op_type for node in model.graph.node if node.domain in _DOMAIN}
    chosen = [("", name) for name in sorted(names) if _is_operator(name, version) and asked(name, version)]
    if not chosen:
        return model
    return onnx.inliner.inline_selected_functions(model, chosen, inline_schema_functions=True)


def _is_operator(name: str, version: int) -> bool:
    import onnx.defs

    try:
        onnx.defs.get_schema(name, version, "")
    except onnx.defs.SchemaError:
        return False
    return True


def _has_converter(name: str, version: int) -> bool:
    import onnx.defs
    from onnx2torch.node_converters.registry import get_converter

    try:
        get_converter(name, onnx.defs.get_schema(name, version, "").since_version, "")
    except NotImplementedError:
        return False
    return True


class _Known:
    """What is known of a model's values: their shapes, where they do not depend on the inputs, and constants."""

    def __init__(self, model: Any) -> None:
        import onnx.shape_inference

        inferred = onnx.shape_inference.infer_shapes(model).graph
        self.constants = {one.name: one for one in model.graph.initializer}
        self._shapes = {
            one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim]
            for one in (*inferred.input, *inferred.value_info, *inferred.output)
        } | {one.name: list(one.dims) for one in model.graph.initializer}

    def shape(self, name: str) -> list[int]:
        """A value's shape; raises KeyError where it is not known."""
        shape = self._shapes[name]
        if not shape or 0 in shape:
            raise KeyError(name)
        return shape

    def add(self, name: str, values: Sequence[int]) -> str:
        """Another constant; its name."""
        from onnx.numpy_helper import from_array

        name = _OURS + name
        self.constants[name] = from_array(np.array(values, np.int64), name)
        return name

    def constant(self, name: str) -> Any:
        """A constant's value; raises KeyError for what is none."""
        from onnx.numpy_helper import to_array

        return to_array(self.constants[name])


def _rewrite(model: Any) -> None:
    """Put forms that onnx2torch lacks in those that it has, in place."""
    known = _Known(model)
    nodes: list[Any] = []
    for node in model.graph.node:
        rewrite = _REWRITES.get(node.op_type) if node.domain in _DOMAIN else None
        try:
            instead = None if rewrite is None else rewrite(node, known)
        except KeyError:  # A shape or a value that is not known.
            instead = None
        nodes.extend([node] if instead is None else instead)
    model.graph.initializer.extend(one for name, one in known.constants.items() if name.startswith(_OURS))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


_OURS = "blockfront/"
"""How names of our own values begin."""


def _attributes(node: Any) -> dict[str, Any]:
    from onnx.helper import get_attribute_value

    return {one.name: get_attribute_value(one) for one in node.attribute}


def _set(node: Any, **values: Any) -> None:
    """Give a node these attributes; None takes one away."""
    from onnx.helper import make_attribute

    kept = [one for one in node.attribute if one.name not in values]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(make_attribute(name, value) for name, value in values.items() if value is not None)


def _reshape(node: Any, known: _Known) -> Iterable[Any] | None:
    """What zeros mean, which torch's exporter always says, matters where there are any."""
    if all(known.constant(node.input[1])):
        _set(node, allowzero=None)
    return None


def _padded(node: Any, known: _Known) -> Iterable[Any] | None:
    """Padding in numbers where it is `SAME` size, as TensorFlow's converters write it."""
    given = _attributes(node)
    automatic = given.get("auto_pad", b"NOTSET").decode()
    if automatic == "VALID":
        _set(node, auto_pad=None, pads=None)
    if not automatic.startswith("SAME"):
        return None
    sizes = known.shape(node.input[0])[2:]
    kernel = given.get("kernel_shape") or known.shape(node.input[1])[2:]
    strides, dilations = (given.get(name) or [1] * len(sizes) for name in ("strides", "dilations"))
    pads = list(map(_same, sizes, kernel, strides, dilations))
    small, large = ([pad // 2 for pad in pads], [pad - pad // 2 for pad in pads])
    first, last = (small, large) if automatic == "SAME_UPPER" else (large, small)
    _set(node, auto_pad=None, pads=[*first, *last])
    return None


def _same(size: int, kernel: int, stride: int, dilation: int) -> int:
    """The padding of both sides that gives an output for each stride of the input."""
    return max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)


def _reduced(node: Any, known: _Known) -> Iterable[Any] | None:
    """Dimensions as an attribute, which newer versions take as an input."""
    if len(node.input) > 1 and node.op_type != "ReduceSum":
        axes = known.constant(node.input[1]).tolist() if node.input[1] else []
        del node.input[1:]
        if axes or not _attributes(node).get("noop_with_empty_axes"):
            _set(node, axes=axes or None)
    if not _attributes(node).get("noop_with_empty_axes"):
        _set(node, noop_with_empty_axes=None)
    return None


def _split(node: Any, known: _Known) -> Iterable[Any] | None:
    """The sizes of what is split, where newer versions have a number of parts."""
    given = _attributes(node)
    parts = given.get("num_outputs")
    if parts is None:
        return None
    shape = known.shape(node.input[0])
    whole = shape[given.get("axis", 0)]
    size = -(-whole // parts)
    sizes = [size] * (parts - 1) + [whole - size * (parts - 1)]
    _set(node, num_outputs=None)
    del node.input[1:]
    node.input.append(known.add(f"{node.output[0]}/sizes", sizes))
    return None


def _padding(node: Any, known: _Known) -> Iterable[Any] | None:
    """Padding of all dimensions, where newer versions name some."""
    if len(node.input) < 4 or not node.input[3]:
        return None
    rank = len(known.shape(node.input[0]))
    axes, pads = known.constant(node.input[3]).tolist(), known.constant(node.input[1]).reshape(2, -1)
    every = np.zeros((2, rank), np.int64)
    every[:, axes] = pads
    node.input[1] = known.add(f"{node.output[0]}/pads", every.ravel().tolist())
    del node.input[3:]
    return None


def _largest(node: Any, known: _Known) -> Iterator[Any]:
    """Global maximum pooling as a maximum over all but the first two dimensions."""
    from onnx.helper import make_node

    axes = list(range(2, len(known.shape(node.input[0]))))
    yield make_node("ReduceMax", node.input, node.output, node.name, axes=axes, keepdims=1)


def _depth_to_space(node: Any, known: _Known) -> Iterable[Any] | None:
    """ONNX's usual order, blocks before channels, as TensorFlow has it: onnx2torch knows torch's alone."""
    from onnx.helper import make_node

    given = _attributes(node)
    if given.get("mode", b"DCR") != b"DCR":
        return None
    block = given["blocksize"]
    count, channels, height, width = known.shape(node.input[0])
    name = node.output[0]
    split = known.add(f"{name}/split", (count, block, block, channels // block**2, height, width))
    whole = known.add(f"{name}/whole", (count, channels // block**2, height * block, width * block))
    blocks, turned = f"{_OURS}{name}/blocks", f"{_OURS}{name}/turned"
    return [
        make_node("Reshape", [node.input[0], split], [blocks]),
        make_node("Transpose", [blocks], [turned], perm=[0, 3, 4, 1, 5, 2]),
        make_node("Reshape", [turned, whole], node.output),
    ]


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
_REWRITES: dict[str, Rewrite] = {
    "Reshape": _reshape,
    "Conv": _padded,
    "MaxPool": _padded,
    "AveragePool": _padded,
    "GlobalMaxPool": _largest,
    "DepthToSpace": _depth_to_space,
    "Split": _split,
    "Pad": _padding,
} | {f"Reduce{name}": _reduced for name in _REDUCTIONS}
