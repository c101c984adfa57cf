"""Whether LiteRT gives what the int8 network gives: operator by operator, and as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from blockfront.targets.latency.ethos.conversion import Converted, Port
from blockfront.targets.latency.ethos.storing import stored


@dataclass(frozen=True)
class Difference:
    """By how many steps an operator of the file is off what the network gives, at most, and how many it may be."""

    name: str
    steps: int
    allowed: int


def run(converted: Converted, known: Mapping[str, Any]) -> list[np.ndarray]:
    """What LiteRT's own kernels, without delegates, give for the values of the network that a file's inputs hold."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=converted.content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    for details, port in zip(interpreter.get_input_details(), converted.inputs, strict=True):
        interpreter.set_tensor(details["index"], as_stored(known[port.node], port))
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def as_stored(value: Tensor, port: Port) -> np.ndarray:
    """A value of the network as a tensor of the file has it: what is float32 there, and int8 here, is rounded."""
    if port.affine is not None and value.is_floating_point():
        value = port.affine.steps(value.double())
    turned = value.permute(*port.order).contiguous().numpy()
    return turned.reshape(stored(value.shape, port.order))


def differences(converted: Converted, known: Mapping[str, Any]) -> list[Difference]:
    """Of every output of a file."""
    found = []
    for given, port in zip(run(converted, known), converted.outputs, strict=True):
        wanted = as_stored(known[port.node], port)
        steps = np.abs(given.astype(np.int64) - wanted.astype(np.int64)).max(initial=0)
        found.append(Difference(port.node, int(steps), port.steps))
    return found
