"""A trained network in int8: calibrated on training images, and scored beside itself in float32."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch import Tensor, nn

from blockfront.digest import digest
from blockfront.errors import RunError, UsageError
from blockfront.plurals import counted
from blockfront.targets.quantization import Decibels, LayerNoise, Quantizer

if TYPE_CHECKING:
    from blockfront.design_space import Network
    from blockfront.results import Score
    from blockfront.training import Dataset, Recipe

INT8 = "int8"
"""The precision of a study whose networks are quantised once they are trained, and the adaptation that does it."""
QAT = "qat"
QUANTIZE = ("ptq", QAT)
"""After training: by ranges alone, or with an epoch of training that knows of the rounding."""
LEAST_DB = 20
"""A network that keeps less is told: what int8 changes has a tenth of its outputs' amplitude, or more."""
CALIBRATION_IMAGES = 256
_BATCH = 64
_QAT_RATE = 3e-4
_NOISE_IMAGES = 16
_SENSITIVE_LAYERS = 3


def check_quantize(method: str, precision: str, dataset: Dataset | None) -> str | None:
    """How networks become int8 once they are trained on `dataset`, one of `QUANTIZE`; None where they do not.

    Raises `UsageError` for a method that trains where it has nothing to do or cannot.
    """
    from blockfront.tasks import TASKS

    if method == QAT and precision != INT8:
        raise UsageError(f"--quantize {QAT} is for --precision int8, and these networks are {precision}")
    if method == QAT and dataset is None:
        raise UsageError(f"--quantize {QAT} trains for an epoch more, and there is no training; leave it out")
    if method == QAT and dataset is not None and TASKS[dataset.task].places == "boxes":
        raise UsageError("detectors become int8 by ranges alone; take --quantize ptq")
    return method if precision == INT8 and dataset else None


@dataclass(frozen=True)
class Quantization:
    """How a trained network became int8: one of `QUANTIZE`, the observer of its ranges, and the images they are from.

    `hash` is of the images as the network got them. `float_operators` are what of it stays float32, with layers
    that are too sensitive, `float_layers`, by their names. `layers` says what each integer layer costs by itself on a
    few of the images, the worst first.
    """

    method: str
    observer: str
    images: int
    hash: str
    float_operators: tuple[str, ...]
    float_layers: tuple[str, ...] = ()
    layers: tuple[LayerNoise, ...] = ()

    @property
    def origin(self) -> str:
        """Where the ranges come from, in words."""
        more = ", and an epoch of training more" if self.method == QAT else ""
        kept = f"; {counted(len(self.float_layers), 'layer')} stay float32" if self.float_layers else ""
        return f"{counted(self.images, 'training image')} ({self.hash}), {self.observer}{more}{kept}"


def quantize_trained(
    module: nn.Module,
    network: Network,
    dataset: Dataset,
    recipe: Recipe,
    method: str,
    where: Mapping[str, Any],
    parts: Mapping[str, Any],
) -> tuple[dict[str, Any], Quantizer]:
    """The `parts` of a `Result` that training `module` found, with those of its int8 network in their place, and that.

    `module` is what was scored of `network`; it is calibrated on training images alone, and both are scored on the test
    images, on the CPU, whose sums are exact. `where`: `train`'s arguments resolution, threads and seed. Raises
    `RunError` for a network that cannot be trained as `method` asks.
    """
    from blockfront.blocks import deploy
    from blockfront.design_space.detector import AnchorsApart
    from blockfront.results import Adapted
    from blockfront.targets.quantization import OBSERVERS, calibrated
    from blockfront.tasks import TASKS
    from blockfront.training import fed

    start = time.perf_counter()
    (training,) = parts["trainings"]
    plain, observer = deploy(module), next(iter(OBSERVERS))
    boxes = TASKS[network.task].places == "boxes"
    recorded = AnchorsApart(plain).eval() if boxes else plain
    with fed(plain, dataset, **{**where, "device": "cpu"}) as feed:
        images = [batch for batch, _ in feed.training(_BATCH, CALIBRATION_IMAGES)]
        batches = [(batch,) for batch in images]
        quantizer = calibrated(recorded, network.signature, batches, observer)
        if sensitive := _sensitive(quantizer, recorded, images[0]):
            quantizer = calibrated(recorded, network.signature, batches, observer, sensitive)
        if method == QAT:
            quantizer = _train_rounded(quantizer, plain, dataset, recipe, where)
        quantized = quantizer.network()
        both = _Both(dataset)
        with torch.inference_mode():
            for batch, targets in feed.test():
                both.add(plain(batch), quantized(batch), targets)
    found = Quantization(
        method=method,
        observer=observer,
        images=sum(map(len, images)),
        hash=digest(b"".join(batch.contiguous().numpy().tobytes() for batch in images), 12),
        float_operators=quantized.float_operators,
        float_layers=sensitive,
        layers=quantizer.noise(images[0][:_NOISE_IMAGES]),
    )
    adapted = Adapted(msgspec.to_builtins(found), both.plain.scores(), both.shares, both.changes)
    seconds = training.seconds + time.perf_counter() - start
    trained = replace(training, scores=both.quantized.scores(), seconds=seconds)
    adaptations = {**parts.get("adaptations", {}), INT8: adapted}
    return {**parts, "adaptations": adaptations, "trainings": (trained,)}, quantizer


def _sensitive(quantizer: Quantizer, plain: nn.Module, images: Tensor) -> tuple[str, ...]:
    """The layers that cost most, where the network keeps less than `LEAST_DB` on training images; else none."""
    if quantizer.decibels(plain, images) >= LEAST_DB:
        return ()
    return tuple(layer.name for layer in quantizer.noise(images[:_NOISE_IMAGES])[:_SENSITIVE_LAYERS])


def _train_rounded(
    quantizer: Quantizer, plain: nn.Module, dataset: Dataset, recipe: Recipe, where: Mapping[str, Any]
) -> Quantizer:
    """The same with weights that an epoch more of training has, in which they are rounded, at a low rate."""
    from blockfront.training import train

    if not quantizer.recorded.batched:
        raise RunError("this network takes images one by one, and cannot be trained as it is rounded: --quantize ptq")
    rounded: Any = quantizer.rounded()
    rounded.pretrained_cfg = getattr(plain, "pretrained_cfg", None)
    train(rounded, dataset, replace(recipe, epochs=1, optimizer="adamw", lr=_QAT_RATE, ema=None), **where)
    return quantizer.with_constants(rounded.constants)


class _Both:
    """A network in float32 and in int8 on the same test images."""

    def __init__(self, dataset: Dataset) -> None:
        from blockfront.tasks import TASKS

        task = TASKS[dataset.task]
        self.plain, self.quantized = (task.evaluator(dataset.num_classes) for _ in range(2))
        self._value, self._classes = task.value, "top1" in task.metrics
        self._decibels = Decibels()
        self._images = self._agree = 0

    def add(self, plain: Any, quantized: Any, targets: Tensor) -> None:
        """Count a batch; of a detector, whose int8 gives logits and boxes by name, the anchors are the plain one's."""
        if isinstance(quantized, dict):
            for name, values in quantized.items():
                self._decibels.add(getattr(plain, name), values)
            quantized = plain._replace(**quantized)
        else:
            self._decibels.add(plain, quantized)
        self.plain.add(plain, targets)
        self.quantized.add(quantized, targets)
        if self._classes:
            self._images += len(targets)
            self._agree += int((plain.argmax(1) == quantized.argmax(1)).sum())

    @property
    def shares(self) -> dict[str, float]:
        """Of the test images, by columns."""
        return {"float_agreement": self._agree / self._images} if self._images else {}

    @property
    def changes(self) -> dict[str, Score]:
        """By columns, with intervals of their own."""
        from blockfront.results import Score
        from blockfront.tasks.task import PairedEvaluator

        found: dict[str, Score] = {}
        if isinstance(self.plain, PairedEvaluator):
            found[f"{self._value}_drop"] = self.plain.drop(self.quantized)
        if math.isfinite(self._decibels.value):
            found["snr_db"] = Score(self._decibels.value)
        return found
