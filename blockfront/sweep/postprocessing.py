"""A trained detector's post-processing on a target: compiled, compared with torch and timed on outputs it gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from blockfront.results.postprocess import Postprocess
from blockfront.signature import Input, Signature

if TYPE_CHECKING:
    from blockfront.targets import Means
    from blockfront.training import Dataset


def is_timed(means: Means) -> bool:
    """Whether it can be: our own code for processors alone has the kernel."""
    from blockfront.targets import Processor

    return means.toolchain.name == "tvm" and isinstance(means.options.target, Processor)


def time_postprocess(detector: Any, batches: Iterable[tuple[Tensor, Tensor]], means: Means) -> Postprocess:
    """Of a detector that gives `AnchorOutputs`, on the image of some with as many candidates as their mean.

    In float32, whatever the network is in. What suppression gives must equal what torch gives. Raises `RunError` where
    it does not, and where something cannot be compiled.
    """
    from blockfront.targets.latency.options import FLOAT32
    from blockfront.tasks.box_suppression import EQUAL, box_steps
    from blockfront.tasks.suppression import Limits

    limits = Limits()
    outputs, counts = _recorded(detector, batches, limits.threshold)
    decoding, suppression = box_steps(detector, limits)
    with torch.inference_mode():
        decoded = tuple(decoding(*outputs).values())
    float32 = replace(means, options=replace(means.options, precision=FLOAT32))

    def milliseconds(module: nn.Module, names: tuple[str, str], inputs: tuple[Tensor, ...], **options: Any) -> float:
        takes = tuple(Input(name, tuple(one.shape)) for name, one in zip(names, inputs, strict=True))
        signature = Signature(takes, recorded=(inputs,), **options)
        return float32.latency(float32.prepare(module, signature, 0)).median_ms

    return Postprocess(
        decode_ms=milliseconds(decoding, ("logits", "deltas"), outputs),
        suppress_ms=milliseconds(suppression, ("scores", "boxes"), decoded, tolerances=EQUAL),
        candidates=float(np.mean(counts)),
        candidates_p95=float(np.percentile(counts, 95)),
        threshold=limits.threshold,
        capacity=limits.candidates,
        overlap=limits.overlap,
    )


def time_postprocess_of(detector: nn.Module, dataset: Dataset, where: Mapping[str, Any], means: Means) -> Postprocess:
    """The same on a data set's test images, on the CPU; `where`: `train`'s arguments resolution, threads and seed."""
    from blockfront.training import fed

    with fed(detector, dataset, **{**where, "device": "cpu"}) as feed:
        return time_postprocess(detector, feed.test(), means)


def _recorded(
    detector: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], threshold: float
) -> tuple[tuple[Tensor, Tensor], list[int]]:
    """Logits and deltas (1, B, ...) of the image with as many candidates as the mean, and those of each image."""
    logits, deltas, counts = [], [], []
    detector.eval()
    with torch.inference_mode():
        for images, _ in batches:
            outputs = detector(images)
            counts += (outputs.probabilities() > threshold).flatten(1).sum(1).tolist()
            logits.append(outputs.logits.float().cpu())
            deltas.append(outputs.deltas.float().cpu())
    usual = int(np.abs(np.array(counts) - np.mean(counts)).argmin())
    return tuple(torch.cat(one)[usual : usual + 1].clone() for one in (logits, deltas)), counts  # type: ignore[return-value]
