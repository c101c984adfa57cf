"""LiteRT, on XNNPACK, for `.tflite` files in int8 that somebody else writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.engines.engine import Inference, Runtime

if TYPE_CHECKING:
    import numpy as np

NETWORK, APART, APART_INPUTS, PLACES = "network.tflite", "apart.tflite", "apart.npz", "places.json"
"""The network; its operators each by itself, with inputs, and the places of their outputs among those of the file."""


def reals(array: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """What int8 numbers stand for, as float32."""
    import numpy as np

    return (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


class LiteRt(Runtime):
    """XNNPACK computes what it can, as by default, on its own threads.

    Steps that are off by one become others in the layers after them, so that it is compared operator by operator, each
    on the network's own values.
    """

    name = "litert"
    title = "LiteRT on XNNPACK, int8 in a .tflite file of ours"
    packages = ("ai-edge-litert", "flatbuffers")
    extra = "ethos"

    def start(self, folder: Path, inputs: Sequence[np.ndarray], threads: int) -> Inference:
        """From integers to integers. The outputs that it gives are always those of the operators by themselves."""
        import numpy as np

        with np.load(folder / APART_INPUTS, allow_pickle=False) as arrays:
            given = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
        apart = loaded(given, model_path=str(folder / APART), num_threads=threads)
        apart.invoke()
        details = apart.get_output_details()
        outputs = [_real(apart, details[place]) for place in json.loads((folder / PLACES).read_text())]
        whole = loaded(inputs, model_path=str(folder / NETWORK), num_threads=threads)

        def infer() -> list[np.ndarray]:
            whole.invoke()
            return outputs

        return infer


def loaded(inputs: Iterable[np.ndarray], **given: Any) -> Any:
    """LiteRT's interpreter, which is `given` a file and how to run it, with the file's inputs set."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(**given)
    interpreter.allocate_tensors()
    for details, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], array)
    return interpreter


def _real(interpreter: Any, output: dict[str, Any]) -> np.ndarray:
    array: np.ndarray = interpreter.get_tensor(output["index"])
    scale, zero_point = output["quantization"]
    return reals(array, scale, zero_point) if scale else array
