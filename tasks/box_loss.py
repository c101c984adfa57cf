"""Which anchor learns which object, and what detectors minimise: multibox and focal loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.tasks.boxes import AnchorOutputs, corners, encode, overlaps

POSITIVE = 0.5
NEGATIVES = 3
ALPHA, GAMMA = 0.25, 2.0


def match_anchors(anchors: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    """The object of each anchor (N, B), -1 for none.

    Of `boxes` (N, G, 4), corners, only `valid` ones (N, G) count. An anchor learns the object it overlaps most by at
    least a half; then each object in its order gets the anchor that overlaps it most, whatever that had before
    (Liu et al. 2016, section 2.2).
    """
    found = overlaps(boxes, corners(anchors)).masked_fill(~valid[:, :, None], -1)
    best, objects = found.max(dim=1)
    objects = torch.where(best >= POSITIVE, objects, -1)
    forced = found.argmax(dim=2)
    rows = torch.arange(len(boxes), device=boxes.device)
    for number in range(boxes.shape[1]):
        own = forced[:, number]
        objects[rows, own] = torch.where(valid[:, number], number, objects[rows, own])
    return objects


def box_loss(
    outputs: AnchorOutputs, classes: Tensor, boxes: Tensor, ignored: Tensor, objects: Tensor | None = None
) -> Tensor:
    """The loss of a batch over its matched anchors: of classes, plus smooth L1 (beta 1) of encoded boxes.

    `classes` (N, G) count from 0, -1 where there is no object; anchors that lie by half in an `ignored`
    one (N, G) are no background. With a background among the logits the classes' loss is cross-entropy of matched
    anchors and of three times as many, at least as many an image, that are most wrongly taken for an object (Liu et
    al. 2016); without, the focal loss (Lin et al. 2017, arXiv:1708.02002). `objects` are of `match_anchors`, where they
    are known.
    """
    logits = outputs.logits.float()
    count = logits.shape[-1] - outputs.background
    if objects is None:
        objects = match_anchors(outputs.anchors, boxes, (classes >= 0) & ~ignored)
    positive = objects >= 0
    own = objects.clamp(min=0)
    crowded = overlaps(boxes, corners(outputs.anchors), of_second=True)
    crowded = (crowded >= POSITIVE) & (ignored & (classes >= 0))[:, :, None]
    negative = ~positive & ~crowded.any(1)
    targets = torch.where(positive, classes.gather(1, own), count)
    if outputs.background:
        total = _multibox(logits, targets, positive, negative)
    else:
        total = _focal(logits, targets, positive | negative, count)
    wanted = boxes.gather(1, own[..., None].expand(-1, -1, 4))[positive]
    anchors = outputs.anchors.expand(len(boxes), -1, -1)[positive]
    regression = F.smooth_l1_loss(outputs.deltas.float()[positive], encode(wanted, anchors), reduction="sum")
    return (total + regression) / positive.sum(1).clamp(min=1).sum()


def _multibox(logits: Tensor, targets: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    wrong = losses.detach().masked_fill(~negative, -1)
    wanted = (NEGATIVES * positive.sum(1)).clamp(min=NEGATIVES).minimum(negative.sum(1))
    ranks = wrong.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (losses * (positive | (negative & (ranks < wanted[:, None])))).sum()


def _focal(logits: Tensor, targets: Tensor, counted: Tensor, count: int) -> Tensor:
    wanted = F.one_hot(targets, count + 1)[..., :count].to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    right = torch.exp(-losses)
    weight = torch.where(wanted > 0, ALPHA, 1 - ALPHA) * (1 - right) ** GAMMA
    return (weight * losses * counted[..., None]).sum()
