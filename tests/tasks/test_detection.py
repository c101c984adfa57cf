"""Boxes: what anchors learn, what comes out of them, and COCO's average precision of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given
from hypothesis import strategies as st

from blockfront.errors import UsageError
from blockfront.tasks import TASKS, AnchorOutputs, packed_rows
from blockfront.tasks.average_precision import PooledClasses, match_class
from blockfront.tasks.box_loss import box_loss, match_anchors
from blockfront.tasks.boxes import corners, decode, encode, overlaps
from blockfront.tasks.detection_scores import BoxScores, coco_statistics
from blockfront.tasks.suppression import Limits, suppress, within_capacity

DETECTION = TASKS["detection"]


def boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    start = generator.uniform(0, 0.7, (count, 2))
    return np.hstack([start, start + generator.uniform(0.05, 0.3, (count, 2))])


def test_overlaps_are_torchvisions() -> None:
    first, second = (torch.from_numpy(boxes(np.random.default_rng(seed), 20)) for seed in (0, 1))
    torch.testing.assert_close(overlaps(first, second), torchvision.ops.box_iou(first, second))
    assert overlaps(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_what_is_encoded_is_decoded() -> None:
    places = torch.from_numpy(boxes(np.random.default_rng(0), 50))
    anchors = torch.rand(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.2
    torch.testing.assert_close(decode(encode(places, anchors), anchors), places)
    torch.testing.assert_close(decode(torch.zeros(50, 4), anchors), corners(anchors).clamp(0, 1))


def test_every_object_has_an_anchor_and_no_other_anchor_learns_what_it_overlaps_by_less_than_half() -> None:
    anchors = torch.tensor([[0.25, 0.25, 0.2, 0.2], [0.75, 0.75, 0.2, 0.2], [0.27, 0.25, 0.2, 0.2]])
    objects = torch.tensor([[[0.15, 0.15, 0.35, 0.35], [0.5, 0.5, 0.7, 0.7], [0.0, 0.0, 1.0, 1.0]]])
    found = match_anchors(anchors, objects, torch.tensor([[True, True, False]]))
    assert found.tolist() == [[0, 1, 0]]


def test_of_objects_that_want_the_same_anchor_the_later_one_has_it() -> None:
    anchors = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    objects = torch.tensor([[[0.25, 0.25, 0.75, 0.75], [0.4, 0.4, 0.6, 0.6]]])
    assert match_anchors(anchors, objects, torch.ones(1, 2, dtype=torch.bool)).item() == 1


@pytest.mark.parametrize("background", [True, False])
def test_the_loss_is_that_of_a_plain_loop(background: bool) -> None:
    torch.manual_seed(0)
    count, images, wide = 3, 4, 40
    anchors = torch.cat([torch.rand(wide, 2), 0.1 + torch.rand(wide, 2) * 0.3], dim=1)
    outputs = AnchorOutputs(
        torch.randn(images, wide, count + background), torch.randn(images, wide, 4), anchors, background
    )
    objects = torch.from_numpy(np.stack([boxes(np.random.default_rng(seed), 3) for seed in range(images)])).float()
    classes = torch.tensor([[0, 1, 2], [2, -1, -1], [-1, -1, -1], [1, 1, 0]])
    ignored = torch.zeros(images, 3, dtype=torch.bool)
    ignored[3, 2] = True
    total, matched = 0.0, 0
    for image in range(images):
        valid = (classes[image] >= 0) & ~ignored[image]
        (own,) = match_anchors(anchors, objects[image][None], valid[None])
        shared = overlaps(objects[image], corners(anchors), of_second=True)
        aside = (shared[2] >= 0.5) & ignored[image, 2]
        losses = []
        positives = 0
        for number in range(wide):
            logits, kind = outputs.logits[image, number], int(own[number])
            if kind >= 0:
                positives += 1
                wanted = encode(objects[image, kind], anchors[number])
                total += F.smooth_l1_loss(outputs.deltas[image, number], wanted, reduction="sum").item()
            wanted_class = int(classes[image, kind]) if kind >= 0 else count
            if background:
                loss = F.cross_entropy(logits, torch.tensor(wanted_class)).item()
                total += loss if kind >= 0 else 0
                losses += [loss] if kind < 0 and not aside[number] else []
            elif kind >= 0 or not aside[number]:
                total += torchvision.ops.sigmoid_focal_loss(
                    logits, F.one_hot(torch.tensor(wanted_class), count + 1)[:count].float(), reduction="sum"
                ).item()
        total += sum(sorted(losses, reverse=True)[: max(3, 3 * positives)])
        matched += max(1, positives)
    assert box_loss(outputs, classes, objects, ignored).item() == pytest.approx(total / matched, rel=1e-5)


@given(st.integers(0, 10_000))
def test_what_stays_is_what_torchvision_keeps_as_long_as_the_capacity_holds(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0, 1, (60, 3)).astype(np.float32)
    places = boxes(generator, 60).astype(np.float32)
    limits = Limits(threshold=0.5, overlap=0.45)
    rows, classes = suppress(scores, places, limits)
    at, of = np.nonzero(scores > 0.5)
    kept = torchvision.ops.batched_nms(
        *(torch.from_numpy(one) for one in (places[at], scores[at, of], of)), limits.overlap
    ).numpy()
    assert list(zip(rows, classes, strict=True)) == list(zip(at[kept], of[kept], strict=True))


def test_equal_scores_stay_in_the_order_of_rows_and_classes() -> None:
    scores = np.full((4, 2), 0.5, dtype=np.float32)
    places = np.array([[0, 0, 0.5, 0.5]] * 3 + [[0.6, 0.6, 1, 1]], dtype=np.float32)
    rows, classes = suppress(scores, places, Limits())
    assert list(zip(rows, classes, strict=True)) == [(0, 0), (0, 1), (3, 0), (3, 1)]


def test_above_the_capacity_the_best_bins_stay_whole_and_the_next_one_in_part() -> None:
    scores = np.array([0.9, 0.3, 0.3001, 0.3, 0.8], dtype=np.float32)
    assert within_capacity(scores, Limits(candidates=3)).tolist() == [0, 1, 4]
    assert within_capacity(np.full(9, 0.5, dtype=np.float32), Limits(candidates=4)).tolist() == [0, 1, 2, 3]


def scene(generator: np.random.Generator, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects of a picture of 100 × 100 pixels as rows of a target, and boxes found near them, some of them wrong."""
    count = int(generator.integers(0, 5))
    places = boxes(generator, count) * 100
    area = (places[:, 2:] - places[:, :2]).prod(1)
    kinds = generator.integers(0, classes, count)
    objects = np.column_stack([kinds, places, area, generator.random(count) < 0.2]).reshape(-1, 7)
    near = np.repeat(places, 3, axis=0) + np.tile(generator.normal(scale=3, size=(3 * count, 2)), 2)
    found = np.vstack([near, boxes(generator, 3) * 100])
    kinds = np.concatenate([np.repeat(kinds, 3), generator.integers(0, classes, 3)])
    return np.column_stack([kinds, found, generator.random(len(found))]), objects


@given(st.integers(0, 10_000))
def test_average_precision_is_that_of_faster_coco_eval(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scenes = [scene(generator, 3) for _ in range(8)]
    found, objects = ([one[part] for one in scenes] for part in (0, 1))
    expected = coco_statistics(found, objects, 3)
    scores = BoxScores(3, found=found, objects=objects)
    pooled = PooledClasses([scores._matched(kind) for kind in range(3)])
    precisions = pooled.precisions()
    own = [precisions.mean(), precisions[0], precisions[5]]
    assert own == pytest.approx(expected[:3], abs=1e-9, nan_ok=True)
    twice = pooled.precisions(np.array([2, 0, 1, 1, 1, 1, 1, 1], dtype=np.float64))
    again = [scenes[number] for number in (0, 0, 2, 3, 4, 5, 6, 7)]
    repeated = coco_statistics([one[0] for one in again], [one[1] for one in again], 3)
    assert twice.mean() == pytest.approx(repeated[0], abs=1e-9, nan_ok=True)


def test_average_precision_by_hand() -> None:
    """One image found exactly, one with a share of 2/3 of its object, and a better box that lies in a crowd."""
    first = match_class(np.array([0.9]), np.array([[1.0, 1, 5, 5]]), np.array([[1.0, 1, 5, 5]]), np.array([False]))
    second = match_class(
        np.array([0.8, 0.95]),
        np.array([[0.0, 0, 3, 2], [5, 5, 8, 8]]),
        np.array([[0.0, 0, 3, 3], [0, 0, 10, 10]]),
        np.array([False, True]),
    )
    precisions = PooledClasses([[first, second]]).precisions()
    assert precisions.mean() == pytest.approx((4 + 6 * 51 / 101) / 10)
    assert precisions[[0, 5]] == pytest.approx([1, 51 / 101])


def test_a_detector_that_gives_the_objects_has_an_ap_of_one_and_intervals_of_its_images() -> None:
    objects = [torch.tensor([[-1, 0, 0, 1, 1, 9216.0, 0], [kind, 0.2, 0.2, 0.5, 0.6, 1106, 0]]) for kind in (0, 1, 1)]
    targets = DETECTION.targets(objects, 2)
    anchors = torch.tensor([[0.35, 0.4, 0.3, 0.4], [0.8, 0.8, 0.1, 0.1]])
    logits = torch.zeros(3, 2, 3)
    logits[:, :, 2] = 9
    for image, kind in enumerate((0, 1, 1)):
        logits[image, 0, [kind, 2]] = torch.tensor([9.0, 0.0])
    evaluator = DETECTION.evaluator(2)
    evaluator.add(AnchorOutputs(logits, torch.zeros(3, 2, 4), anchors), targets)
    scores = evaluator.scores()
    assert set(scores) == {"ap", "ap50", "ap75", "ap_medium"}
    assert scores["ap"].value == scores["ap_medium"].value == pytest.approx(1)
    assert (scores["ap50"].low, scores["ap50"].high) == pytest.approx((1, 1))


def test_mirrored_targets_are_those_of_the_mirrored_picture() -> None:
    targets = DETECTION.targets([[[-1, 0, 0, 1, 1, 100, 0], [2, 0.1, 0.2, 0.4, 0.9, 20, 1]]], 3)
    mirrored = DETECTION.mirrored(targets)
    torch.testing.assert_close(mirrored[0, 1], torch.tensor([2, 0.6, 0.2, 0.9, 0.9, 20, 1]))
    torch.testing.assert_close(DETECTION.mirrored(mirrored), targets)


def test_batches_are_filled_up_with_rows_of_no_class() -> None:
    picture = [-1, 0, 0, 1, 1, 100, 0]
    targets = DETECTION.targets([[picture], [picture, [1, 0, 0, 1, 1, 50, 0]]], 2)
    assert targets.shape == (2, 2, 7)
    assert targets[..., 0].tolist() == [[-1, -1], [-1, 1]]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([3, 4], "rows of 7 numbers"),
        ([[[0, 0, 0, 1, 1, 9, 0]]], "the picture itself"),
        ([[[-1, 0, 0, 1, 1, 9, 0], [5, 0, 0, 1, 1, 9, 0]]], "of 2 classes takes no class 5"),
    ],
)
def test_labels_that_are_no_boxes_say_what_is_taken(values: object, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        DETECTION.targets(values, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("areas", "given"),
    [
        ([], ()),
        ([5], ("ap_small",)),
        ([1024], ("ap_small", "ap_medium")),
        ([1025], ("ap_medium",)),
        ([9216], ("ap_medium", "ap_large")),
        ([3, 9217], ("ap_small", "ap_large")),
    ],
)
def test_metrics_that_no_object_gives_are_known_from_the_labels(areas: list[int], given: tuple[str, ...]) -> None:
    """They are those that the evaluator leaves out."""
    picture, crowd = [-1, 0, 0, 1, 1, 40000, 0], [0, 0.1, 0.1, 0.2, 0.2, 2000, 1]
    labels = [[picture, crowd], [picture, *([0, 0.5, 0.5, 0.9, 0.9, area, 0] for area in areas)]]
    whole = ("ap", "ap50", "ap75") if areas else ()
    assert tuple(name for name in DETECTION.metrics if DETECTION.lacks(name, labels) is None) == (*whole, *given)
    evaluator = DETECTION.evaluator(1)
    anchors = torch.tensor([[0.7, 0.7, 0.4, 0.4]])
    evaluator.add(AnchorOutputs(torch.zeros(2, 1, 2), torch.zeros(2, 1, 4), anchors), DETECTION.targets(labels, 1))
    assert set(evaluator.scores()) == {*whole, *given}


def test_why_no_object_gives_a_metric_is_said_in_pixels() -> None:
    labels = [[[-1, 0, 0, 1, 1, 100, 0], [0, 0, 0, 1, 1, 2000, 0]]]
    assert DETECTION.lacks("ap_large", labels) == "no object that counts is large (9216 pixels of area or more)"
    assert DETECTION.lacks("ap", [labels[0][:1]]) == "there is no object that is not ignored"
    masks = np.zeros((2, 10, 10), dtype=bool)
    instances = TASKS["instances"]
    for label in ((labels[0], masks), packed_rows(labels[0], masks, 16), np.array(labels[0])):
        assert instances.lacks("mask_ap_medium", [label]) is None
        assert instances.lacks("mask_ap_small", [label])
    with pytest.raises(UsageError, match="rows of 7 numbers"):
        DETECTION.lacks("ap", [[[0, 1], [2]]])


def test_outputs_of_a_classifier_are_refused() -> None:
    with pytest.raises(UsageError, match="gives no boxes; take one of a space for detection"):
        DETECTION.check(torch.zeros(2, 6), 2, 6)
    outputs = AnchorOutputs(torch.zeros(2, 5, 4), torch.zeros(2, 5, 4), torch.zeros(5, 4))
    DETECTION.check(outputs, 2, 3)
    with pytest.raises(UsageError, match="gives 3 classes for 2 images, not 6"):
        DETECTION.check(outputs, 2, 6)


def test_a_drop_of_ap_is_paired_by_image():
    """Of an evaluator that finds every object, and of one that misses those of half of the images."""
    anchors = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    targets = torch.tensor([[[-1, 0, 0, 1, 1, 10000, 0], [0, 0.25, 0.25, 0.75, 0.75, 2500, 0]]] * 40)
    evaluators = []
    for found in (torch.ones(40, dtype=torch.bool), torch.arange(40) % 2 == 0):
        evaluator = DETECTION.evaluator(1)
        logits = torch.where(found[:, None, None], torch.tensor([[[5.0, 0.0]]]), torch.tensor([[[-9.0, 0.0]]]))
        evaluator.add(AnchorOutputs(logits, torch.zeros(40, 1, 4), anchors), targets)
        evaluators.append(evaluator)
    whole, half = evaluators
    drop = whole.drop(half)
    assert drop.value == pytest.approx(whole.scores()["ap"].value - half.scores()["ap"].value)
    assert 0.3 < drop.low < drop.value < drop.high < 0.7
    same = whole.drop(whole)
    assert (same.value, same.low, same.high) == (0, 0, 0)
