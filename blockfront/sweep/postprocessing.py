"""A trained detector's post-processing on a target: compiled, compared with torch and timed on outputs it gave."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blockfront.results.postprocess import BoxCandidates, Postprocess

if TYPE_CHECKING:
    from blockfront.targets import Means

NO_CODE = "post-processing is code for processors, and {} is none: its rows have no total_ms"
"""Why there is no time of a detector's post-processing on some hardware."""


def means_of_boxes(means: Means) -> Means | None:
    """By which post-processing is timed where networks are by `means`: in float32, by tvm; None for no processor.

    Networks that another runtime runs on this machine are followed by the same code.
    """
    from blockfront.targets import TOOLCHAINS, Processor
    from blockfront.targets.latency.options import FLOAT32

    tvm = TOOLCHAINS["tvm"]
    if not isinstance(means.options.target, Processor):
        return None
    return replace(means, toolchain=tvm, options=replace(means.options, toolchain=tvm.name, precision=FLOAT32))


def record_candidates(detector: Any, batches: Iterable[tuple[Tensor, Tensor]]) -> BoxCandidates:
    """What suppression looks at of some images, (N, 3, H, W)."""
    from blockfront.tasks.suppression import Limits

    threshold = Limits().threshold
    found: list[bytes] = []
    counts: list[int] = []
    shape = (0, 0)
    prototypes: tuple[int, int, int] | None = None
    decoding = detector.eval().decoding()
    with torch.inference_mode():
        for images, _ in batches:
            outputs = detector(images)
            if detector.finds_masks:
                _, depth, height, width = outputs.prototypes.shape
                prototypes = depth, height, width
            decoded = decoding(outputs.logits.float(), outputs.deltas.float())
            for scores, corners in zip(*(one.cpu().numpy() for one in decoded.values()), strict=True):
                places = np.flatnonzero(scores.ravel() > threshold)
                found.append(pack_boxes(places, scores.ravel()[places], corners[places // scores.shape[1]]))
                counts.append(len(places))
                shape = scores.shape
    return replace(usual_candidates(shape, threshold, counts, found.__getitem__), prototypes=prototypes)


def pack_boxes(places: NDArray[np.intp], scores: NDArray[np.float32], corners: NDArray[np.float32]) -> bytes:
    """Candidates (n,) as `BoxCandidates` keeps them: places among all scores, their scores and corners (n, 4)."""
    values = np.c_[scores, corners].astype("float32")
    return zlib.compress(places.astype("int32").tobytes() + values.tobytes())


def usual_candidates(
    shape: tuple[int, int], threshold: float, counts: Sequence[int], content: Callable[[int], bytes]
) -> BoxCandidates:
    """Of images with so many candidates each those of one that has as many as the mean, by its number."""
    usual = int(np.abs(np.array(counts) - np.mean(counts)).argmin())
    p95 = float(np.percentile(counts, 95))
    return BoxCandidates(*shape, threshold, float(np.mean(counts)), p95, content(usual))


def dense(candidates: BoxCandidates) -> tuple[Tensor, Tensor]:
    """Scores (1, rows, classes) and corners (1, rows, 4) as they were, zero where nothing looks at them."""
    content = zlib.decompress(candidates.content)
    count = len(content) // 24
    places = torch.from_numpy(np.frombuffer(content[: 4 * count], "int32").astype("int64"))
    values = np.frombuffer(content[4 * count :], "float32").reshape(count, 5)
    scores = torch.zeros(1, candidates.rows, candidates.classes)
    boxes = torch.zeros(1, candidates.rows, 4)
    scores.view(-1)[places] = torch.from_numpy(values[:, 0].copy())
    boxes[0, places // candidates.classes] = torch.from_numpy(values[:, 1:].copy())
    return scores, boxes


def time_postprocess(detector: Any, candidates: BoxCandidates, means: Means) -> Postprocess:
    """Of a detector with anchors, by `means_of_boxes`: suppression of its candidates, and decoding of anything.

    With masks what they are cut from is computed as well, for all boxes that suppression can give. What suppression
    gives must equal what torch gives. Raises `RunError` where it does not, and where something cannot be compiled.
    """
    from blockfront.tasks.box_suppression import box_steps

    steps, (scores, boxes) = box_steps(detector), dense(candidates)
    limits, parts = steps.suppression.limits, []
    if candidates.prototypes is not None:
        depth, height, width = candidates.prototypes
        parts = [torch.randn(1, candidates.rows, depth), torch.randn(1, depth, height, width)]
    times = {
        name: means.latency(means.prepare(module, signature, 0)).median_ms
        for name, (module, signature) in steps.signed(scores, boxes, parts).items()
    }
    return Postprocess(
        decode_ms=times["decode"],
        suppress_ms=times["suppress"],
        candidates=candidates.mean,
        candidates_p95=candidates.p95,
        threshold=candidates.threshold,
        capacity=limits.candidates,
        overlap=limits.overlap,
        toolchain=means.toolchain.name,
        masks_ms=times.get("masks", 0.0),
    )
