"""Forms of operators that move int8s and change none."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch

from blockfront.errors import RunError
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.latency.ethos.storing import stored
from blockfront.targets.latency.ethos.writer import Form, TfliteWriter, Value


def _same(to: TfliteWriter, node: Node) -> Value:
    """Copies."""
    return to.read(node.args[0])


def _reshape(to: TfliteWriter, node: Node) -> Value:
    """Views, flattening, and dimensions of extent 1."""
    return to.reshape(to.read(node.args[0]), to.shape(node))


def _permute(to: TfliteWriter, node: Node) -> Value:
    """Another order, at no cost."""
    return _permuted(to.read(node.args[0]), argument(node, 1, "dims"))


def _transpose(to: TfliteWriter, node: Node) -> Value:
    """Two dimensions in each other's place, at no cost."""
    source = to.read(node.args[0])
    dims = list(range(len(source.shape)))
    first, second = (dims[dim] for dim in node.args[1:3])
    dims[first], dims[second] = second, first
    return _permuted(source, dims)


def _permuted(source: Value, dims: Sequence[int]) -> Value:
    places = [dim % len(source.shape) for dim in dims]
    order = tuple(places.index(dim) for dim in source.order)
    return Value(source.tensor, tuple(source.shape[dim] for dim in places), order, source.affine, source.kind)


def _channel_shuffle(to: TfliteWriter, node: Node) -> Value:
    """Groups of channels, and what is in each, in each other's place."""
    source = to.read(node.args[0])
    images, channels, *pixels = source.shape
    groups = argument(node, 1, "groups")
    apart = to.reshape(source, (images, groups, channels // groups, *pixels))
    turned = _permuted(apart, [0, 2, 1, *range(3, len(apart.shape))])
    return to.reshape(turned, source.shape)


def _split(to: TfliteWriter, node: Node) -> list[Value]:
    """Parts along a dimension."""
    source = to.read(node.args[0])
    dim = argument(node, 2, "dim", 0) % len(source.shape)
    parts = to.known[node]
    results = [
        to.tensor(f"{node.name}_{i}", tuple(part.shape), source.order, source.affine, source.kind)
        for i, part in enumerate(parts)
    ]
    sizes = to.file.whole_numbers([part.shape[dim] for part in parts])
    axis = to.file.whole_numbers(source.order.index(dim))
    to.write("SPLIT_V", [source, sizes, axis], results, "SplitVOptions", numSplits=len(parts))
    return results


def _unbind(to: TfliteWriter, node: Node) -> list[Value]:
    """The places of a dimension one by one."""
    source = to.read(node.args[0])
    dim = argument(node, 1, "dim", 0) % len(source.shape)
    left = [one for one in source.order if one != dim]
    order = tuple(sorted(left).index(one) for one in left)
    results = [
        to.tensor(f"{node.name}_{i}", tuple(one.shape), order, source.affine, source.kind)
        for i, one in enumerate(to.known[node])
    ]
    options = {"axis": source.order.index(dim), "num": len(results)}
    to.write("UNPACK", [source], results, "UnpackOptions", **options)
    return results


def part(to: TfliteWriter, node: Node) -> Value:
    """One of the parts."""
    return to.read_part(node.args[0], node.args[1])


def _cut(to: TfliteWriter, node: Node) -> Value:
    """A slice, with a step or none."""
    source = to.read(node.args[0])
    dim = argument(node, 1, "dim", 0) % len(source.shape)
    start = argument(node, 2, "start", 0) or 0
    start, step = start % source.shape[dim] if start < 0 else start, argument(node, 4, "step", 1)
    return _cut_out(to, node, source, dim, start, to.shape(node)[dim], step)


def _select(to: TfliteWriter, node: Node) -> Value:
    """One place of a dimension."""
    source = to.read(node.args[0])
    dim = argument(node, 1, "dim") % len(source.shape)
    one = _cut_out(to, node, source, dim, argument(node, 2, "index") % source.shape[dim], 1)
    return to.reshape(one, to.shape(node))


def _cut_out(to: TfliteWriter, node: Node, source: Value, dim: int, start: int, extent: int, step: int = 1) -> Value:
    shape = [extent if i == dim else size for i, size in enumerate(source.shape)]
    if shape == list(source.shape):
        return source
    made = to.tensor(node.name, shape, source.order, source.affine, source.kind)
    begin = [start if i == dim else 0 for i in source.order]
    if step > 1:
        end = [min(start + extent * step, source.shape[i]) if i == dim else source.shape[i] for i in source.order]
        steps = [step if i == dim else 1 for i in source.order]
        cut: list[Value | int] = [source, *map(to.file.whole_numbers, (begin, end, steps))]
        to.write("STRIDED_SLICE", cut, [made], "StridedSliceOptions")
        return made
    constants = to.file.whole_numbers(begin), to.file.whole_numbers(made.stored_shape)
    to.write("SLICE", [source, *constants], [made], "SliceOptions")
    return made


def _pad(to: TfliteWriter, node: Node) -> Value:
    """A border of the zero point, or of a number around what is no int8, on any dimensions."""
    source = to.read(node.args[0])
    widths = [(0, 0)] * len(source.shape)
    given = argument(node, 1, "pad")
    for place in range(len(given) // 2):
        widths[-1 - place] = (given[2 * place], given[2 * place + 1])
    made = to.tensor(node.name, to.shape(node), source.order, source.affine, source.kind)
    read: list[Value | int] = [source, to.file.whole_numbers([widths[dim] for dim in source.order])]
    value = argument(node, 2 if "constant_pad_nd" in str(node.target) else 3, "value", 0)
    if source.affine is None and value:
        to.write("PADV2", [*read, to.typed(value, to.known[node].dtype)], [made], "PadV2Options")
    else:
        to.write("PAD", read, [made], "PadOptions")
    return made


def _choose(to: TfliteWriter, node: Node) -> Value:
    """Every place of a dimension several times. Raises `RunError` for places chosen in any other way."""
    source, dim, places = to.read(node.args[0]), node.args[1] % len(to.shape(node)), to.constant(node.args[2])
    times = len(places) // source.shape[dim]
    if not places.equal(torch.arange(source.shape[dim]).repeat_interleave(times)):
        raise RunError(f"{node.name} of chosen places has no form in a .tflite file")
    return _repeated(to, node, source, dim, times)


def _upsample(to: TfliteWriter, node: Node) -> Value:
    """To the nearest pixels, rows and columns."""
    found = to.read(node.args[0])
    for dim, extent in enumerate(to.shape(node)[2:], 2):
        times, rest = divmod(extent, found.shape[dim])
        if rest:
            raise RunError(f"{node.name} by no whole number has no form in a .tflite file")
        found = _repeated(to, node, found, dim, times)
    return found


def _repeated(to: TfliteWriter, node: Node, source: Value, dim: int, times: int) -> Value:
    """What lies at each place of a dimension, beside itself."""
    order, kept = source.order, source.stored_shape
    after = prod(kept[order.index(dim) + 1 :])
    plain = Value(source.tensor, kept, tuple(range(len(kept))), source.affine, source.kind)
    rows = to.reshape(plain, (prod(kept) // after, 1, after))
    found = to.tensor(node.name, (rows.shape[0], times, after), rows.order, source.affine, source.kind)
    to.write("CONCATENATION", [rows] * times, [found], "ConcatenationOptions", axis=1)
    shape = tuple(extent * times if place == dim else extent for place, extent in enumerate(source.shape))
    return Value(to.reshape(found, stored(shape, order)).tensor, shape, order, source.affine, source.kind)


MOVES: dict[str, Form] = {
    **dict.fromkeys(("clone", "contiguous", "alias", "detach", "dropout"), _same),
    **dict.fromkeys(("view", "reshape", "flatten", "_unsafe_view", "unflatten", "squeeze", "unsqueeze"), _reshape),
    **{"permute": _permute, "transpose": _transpose, "channel_shuffle": _channel_shuffle},
    **dict.fromkeys(("split", "split_with_sizes", "chunk"), _split),
    **{"unbind": _unbind, "slice": _cut, "select": _select, "index_select": _choose},
    "upsample_nearest2d": _upsample,
    **dict.fromkeys(("constant_pad_nd", "pad"), _pad),
}
