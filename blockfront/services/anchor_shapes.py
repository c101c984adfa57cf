"""A detector's head with anchors that follow from a data set's boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blockfront.errors import UsageError

if TYPE_CHECKING:
    from blockfront.design_space import DetectorHead
    from blockfront.training import Dataset


def head_of_data(head: DetectorHead, dataset: Dataset, count: int) -> dict[str, Any]:
    """The head with up to `count` shapes a level, and how near the training images' objects are to its anchors.

    Raises `UsageError` for a data set without boxes.
    """
    from torch import nn

    from blockfront.anchors import fit_head, mean_overlap
    from blockfront.tasks import DETECTION
    from blockfront.training import fed

    if dataset.task != DETECTION:
        raise UsageError(f"{dataset.ref} is for {dataset.task} and has no boxes; take scenes, coco:PATH or voc:PATH")
    found = [np.empty((0, 2))]
    with fed(nn.Identity(), dataset, resolution=dataset.resolution, device="cpu") as feed:
        for _, targets in feed.training():
            rows = targets.reshape(-1, targets.shape[-1]).double().numpy()
            # A class below 0 is a picture, and what is ignored is nothing to be found.
            rows = rows[(rows[:, 0] >= 0) & (rows[:, 6] == 0)]
            found.append(rows[:, 3:5] - rows[:, 1:3])
    objects = np.concatenate(found)
    fitted = fit_head(head, objects, count)
    return {
        "head": str(fitted),
        "dataset": dataset.ref,
        "objects": len(objects),
        "slots": sum(fitted.counts),
        "overlap": mean_overlap(fitted, objects),
        "slots_before": sum(head.counts),
        "overlap_before": mean_overlap(head, objects),
    }
