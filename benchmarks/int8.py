"""Latency of quantised networks on this machine: ours against ONNX Runtime's, and each against its own float32.

    python benchmarks/int8.py --models mobilenetv2_100 resnet18 --threads 1 2

Batch 1, 224 pixels. ONNX Runtime's networks are quantised by its own static quantiser, to quantisers and dequantisers
(QDQ) with uint8 activations and int8 weights for each output channel, on random images, as ours are. All four are
prepared in one process; then they take turns, round after round. The table has the medians over rounds of the fastest
call of each, and of the ratios within a round; the geometric mean is over networks. Needs the extra `[peers]`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engines import bench, engine
from networks import create

from blockfront.engines import ENGINES
from blockfront.engines.timing import sample_ms
from blockfront.signature import Signature
from blockfront.targets.quantization import quantize_untrained

MODELS = ["mobilenetv2_100", "mobilenetv3_large_100", "efficientnet_b0", "resnet18", "resnet50"]
CALLS, CALIBRATION = 30, 8

Call = Callable[[], Any]


def quantized_by_onnxruntime(model: torch.nn.Module, image: torch.Tensor, threads: int) -> Call:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):
        def __init__(self, name: str) -> None:
            draw = np.random.default_rng(0)
            self._left = [{name: draw.normal(0, 1, image.shape).astype("float32")} for _ in range(CALIBRATION)]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self._left.pop() if self._left else None

    runtime, signature = ENGINES["onnxruntime"], Signature.image(image.shape[-1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runtime.write(model, signature, folder)
        written, ready = folder / "model.onnx", folder / "ready.onnx"
        quant_pre_process(written, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            written,
            Images(signature.inputs[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        infer = runtime.start(folder, [image.numpy()], threads)
    return lambda: infer()[0]


def prepared(name: str, image: torch.Tensor, threads: int) -> dict[str, Call]:
    """A network in four forms, each of which ran once."""
    model = create(name, image.shape[-1])
    quantized = quantize_untrained(model, Signature.image(image.shape[-1]), 0)
    calls: dict[str, Callable[[], Call]] = {
        "int8": partial(bench, quantized, image, threads),
        "float32": partial(bench, model, image, threads),
        "onnxruntime int8": partial(quantized_by_onnxruntime, model, image, threads),
        "onnxruntime float32": partial(engine, "onnxruntime", model, image, threads),
    }
    ready = {form: make() for form, make in calls.items()}
    for call in ready.values():
        call()
    return ready


def measured(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each form's fastest call in each round."""
    found: dict[str, list[float]] = {form: [] for form in calls}
    for _ in range(rounds):
        for form, call in calls.items():
            found[form].append(min(sample_ms(call, 1, CALLS)[0]))
    return found


def ratio(times: dict[str, list[float]], form: str, other: str) -> float:
    return statistics.median(a / b for a, b in zip(times[form], times[other], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--resolution", type=int, default=224)
    options = parser.parse_args()
    image = torch.randn(1, 3, options.resolution, options.resolution, generator=torch.Generator().manual_seed(0))
    columns = ["ours int8 / onnxruntime int8", "ours int8 / ours float32", "onnxruntime int8 / its float32"]
    print("| model | threads | int8 ms | float32 ms |", *(f"{column} |" for column in columns))
    print("| --- " * (4 + len(columns)) + "|")
    for threads in options.threads:
        rows = []
        for name in options.models:
            times = measured(prepared(name, image, threads), options.rounds)
            row = [
                ratio(times, "int8", "onnxruntime int8"),
                ratio(times, "int8", "float32"),
                ratio(times, "onnxruntime int8", "onnxruntime float32"),
            ]
            rows.append(row)
            ours = " | ".join(f"{statistics.median(times[form]):.2f}" for form in ("int8", "float32"))
            print(f"| {name} | {threads} | {ours} |", *(f"{value:.2f} |" for value in row), flush=True)
        means = [statistics.geometric_mean(column) for column in zip(*rows, strict=True)]
        print(f"| geometric mean | {threads} | | |", *(f"{value:.2f} |" for value in means), flush=True)


if __name__ == "__main__":
    main()
