"""Whether LiteRT gives what the int8 network gives: operator by operator, and as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from blockfront.engines.litert import loaded, reals
from blockfront.targets.latency.ethos.storing import stored
from blockfront.targets.latency.ethos.writer import Converted, Port

FLOATS_OFF = 1e-4
"""What float32 numbers may differ by from torch's, as a share of the greatest."""


@dataclass(frozen=True)
class Difference:
    """By how many steps an operator of the file is off what the network gives, at most, and how many it may be."""

    name: str
    steps: int
    allowed: int


def run_file(converted: Converted, inputs: Iterable[np.ndarray]) -> list[np.ndarray]:
    """What LiteRT's own kernels, without delegates, give for a file's inputs."""
    from ai_edge_litert.interpreter import OpResolverType

    own = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = loaded(inputs, model_content=converted.content, experimental_op_resolver_type=own, num_threads=1)
    interpreter.invoke()
    given = [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]
    return [given[place] for place in converted.places]


def as_stored(value: Tensor, port: Port) -> np.ndarray:
    """A value of the network as a tensor of the file has it: what is float32 there, and int8 here, is rounded."""
    if port.affine is not None and value.is_floating_point():
        value = port.affine.steps(value.double())
    value = value.to(torch.int32) if value.dtype == torch.int64 else value
    turned = value.permute(*port.order).contiguous().numpy()
    return turned.reshape(stored(value.shape, port.order))


def known_inputs(converted: Converted, known: Mapping[str, Tensor]) -> list[np.ndarray]:
    """The network's values that a file's inputs hold."""
    return [as_stored(known[port.node], port) for port in converted.inputs]


def differences(converted: Converted, known: Mapping[str, Tensor]) -> list[Difference]:
    """Of every output of a file, from what the network gives."""
    found = []
    for given, port in zip(run_file(converted, known_inputs(converted, known)), converted.outputs, strict=True):
        wanted = as_stored(known[port.node], port)
        if port.affine is None:
            found.append(Difference(port.node, 0 if _alike(given, wanted, FLOATS_OFF) else port.steps + 1, port.steps))
            continue
        steps = np.abs(given.astype(np.int64) - wanted.astype(np.int64)).max(initial=0)
        found.append(Difference(port.node, int(steps), port.steps))
    return found


def misled(inside: Converted, apart: Converted, known: Mapping[str, Tensor]) -> str | None:
    """The first operator that gives another thing in the whole file than by itself for what it should read there.

    `inside` has all that the operators of the whole file give, `apart` has each by itself.
    """
    ports = {port.node: port for port in inside.outputs}
    given = dict(zip(ports, run_file(inside, known_inputs(inside, known)), strict=True))

    def read(port: Port) -> np.ndarray:
        if port.node not in given:
            return as_stored(known[port.node], port)
        array, affine = given[port.node], ports[port.node].affine
        if port.affine is None and affine is not None:
            return reals(array, affine.scale, affine.zero_point)
        return array

    alone = run_file(apart, map(read, apart.inputs))
    for port, one in zip(apart.outputs, alone, strict=True):
        # Floats depend in their last digits on where they lie in memory.
        if not _alike(one, given[port.node], 1e-5 if port.affine is None else 0.0):
            return port.node
    return None


def _alike(one: np.ndarray, other: np.ndarray, share: float) -> bool:
    """Whether numbers differ by no more than a share of themselves, or of the greatest."""
    finite = np.abs(one[np.isfinite(one)])
    return one.shape == other.shape and np.allclose(one, other, share, share * float(finite.max(initial=0)))
