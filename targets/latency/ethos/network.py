"""A module made a `.tflite` file for an NPU, which is checked before anybody is asked what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from blockfront.agreement.outputs import Output
from blockfront.engines.litert import reals
from blockfront.errors import RunError
from blockfront.plurals import counted
from blockfront.signature import Signature
from blockfront.targets.latency.ethos.checking import FLOATS_OFF, as_stored, differences, known_inputs, misled, run_file
from blockfront.targets.latency.ethos.forms import FORMS
from blockfront.targets.latency.ethos.rounding import round_attention
from blockfront.targets.latency.ethos.writer import Converted, Port, TfliteWriter, all_values
from blockfront.targets.quantization import QuantizedNetwork, quantize_untrained


@dataclass(frozen=True)
class TfliteNetwork:
    """A network in a `.tflite` file, and how near LiteRT is to the int8 network with it.

    `steps` is the most that one operator is off when it reads the network's own values, and `snr_db` compares all
    outputs of the whole file with what they are off. `macs` are those of layers, by the tensor that each gives.
    `inputs` are what that was found with, as the file takes them.
    """

    content: bytes
    inputs: Sequence[np.ndarray]
    steps: int
    snr_db: float
    macs: Mapping[str, int]


@dataclass(frozen=True)
class Apart:
    """A network's operators each by itself in a `.tflite` file, for what else may compute them.

    `outputs` are what the network gives, as reals, in their order, and may be off by the steps that an operator's
    rounding explains; `places` are those among the outputs of the file. `inputs` are as the file takes them.
    """

    content: bytes
    inputs: Sequence[np.ndarray]
    outputs: Sequence[Output]
    places: Sequence[int]


def make_tflite(module: nn.Module, signature: Signature, seed: int) -> TfliteNetwork:
    """The file of a module, as `make_tflite_and_parts` has it."""
    return make_tflite_and_parts(module, signature, seed)[0]


def make_tflite_and_parts(module: nn.Module, signature: Signature, seed: int) -> tuple[TfliteNetwork, Apart]:
    """The file of a module in evaluation mode, quantised by random inputs where it is not yet, and its operators apart.

    Raises `RunError` for an operator without a form, and for a file that LiteRT does not compute as the network does.
    Given the network's values, each operator must be within the steps that its rounding explains, one or, of some
    tables, two; in the whole file it must give what it gives by itself, so that no other values reach it.
    """
    for taken in signature.inputs:
        if taken.dtype != "float32" or not taken.shape:
            raise RunError(f"input {taken} has no int8 form in a .tflite file, whose inputs are tensors of float32")
    if not isinstance(module, QuantizedNetwork):
        module = quantize_untrained(module, signature, seed)
    inputs = signature.random(seed)
    operators = round_attention(module.operators, inputs)
    values = all_values(operators, inputs)
    known = {node.name: value for node, value in values.items()}
    apart, inside, whole = (
        TfliteWriter(operators, values, FORMS, apart=apart, inside=inside)
        for apart, inside in ((True, False), (False, True), (False, False))
    )
    alone, steps = apart.write_file(), 0
    for one in differences(alone, known):
        steps = max(steps, one.steps)
        if one.steps > one.allowed:
            raise RunError(
                f"LiteRT's {one.name} is {counted(one.steps, 'step')} off the int8 network's, more than {one.allowed}"
            )
    wrong = misled(inside.write_file(), alone, known)
    if wrong is not None:
        raise RunError(f"{wrong} of the .tflite file does not read what the network's reads")
    converted = whole.write_file()
    decibels = _decibels(converted, known)
    made = TfliteNetwork(converted.content, known_inputs(converted, known), steps, decibels, whole.macs)
    outputs = [_output(port, as_stored(known[port.node], port)) for port in alone.outputs]
    return made, Apart(alone.content, known_inputs(alone, known), outputs, alone.places)


def _output(port: Port, array: np.ndarray) -> Output:
    tolerance = 2 * FLOATS_OFF if array.dtype == np.float32 else 0.0
    if port.affine is not None:
        array = reals(array, port.affine.scale, port.affine.zero_point)
        # A hundredth of a step for what floats round.
        tolerance = (port.steps + 0.01) * port.affine.scale / max(float(np.abs(array).max(initial=0.0)), 1e-30)
    return Output(port.node, array.shape, str(array.dtype), str(array.dtype), array.tobytes(), tolerance)


def _decibels(converted: Converted, known: Mapping[str, Any]) -> float:
    """The spread of the outputs' steps over what LiteRT's are off, for the output where that is least."""
    found = []
    for given, port in zip(run_file(converted, known_inputs(converted, known)), converted.outputs, strict=True):
        wanted = as_stored(known[port.node], port).astype(np.float64)
        off = np.mean((given - wanted) ** 2)
        found.append(np.inf if off == 0 else 10 * np.log10(max(wanted.var(), 1e-30) / off))
    return float(min(found))
