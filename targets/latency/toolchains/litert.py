"""LiteRT as a toolchain: networks quantised, written as `.tflite`, and run by XNNPACK."""

from __future__ import annotations

import io
import json

import numpy as np
from torch import nn

from blockfront.engines.litert import APART, APART_INPUTS, NETWORK, PLACES
from blockfront.signature import Signature
from blockfront.targets.latency.ethos.network import make_tflite_and_parts
from blockfront.targets.latency.options import INT8, RunOptions
from blockfront.targets.latency.toolchains.engine import EngineNetwork, RunsEngine


class LiteRtToolchain(RunsEngine):
    """In int8, by the file that Ethos-U gets."""

    precisions = (INT8,)

    def prepare(self, module: nn.Module, signature: Signature, options: RunOptions, seed: int) -> EngineNetwork:
        """A file that LiteRT's own kernels compute as the network does, and what XNNPACK is to give for each operator.

        Raises `RunError` as `make_tflite_and_parts` does.
        """
        made, apart = make_tflite_and_parts(module, signature, seed)
        arrays = io.BytesIO()
        np.savez(arrays, *apart.inputs)
        files = {
            NETWORK: made.content,
            APART: apart.content,
            APART_INPUTS: arrays.getvalue(),
            PLACES: json.dumps(list(map(int, apart.places))).encode(),
        }
        return EngineNetwork(self.name, files, tuple(made.inputs), tuple(apart.outputs), self.versions())
