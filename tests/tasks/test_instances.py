"""Masks of objects: learned, scored as COCO does, and kept with the rows of their objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from blockfront.errors import UsageError
from blockfront.tasks import TASKS, AnchorOutputs, packed_rows
from blockfront.tasks.average_precision import PooledClasses
from blockfront.tasks.boxes import encode
from blockfront.tasks.instance_scores import InstanceScores
from blockfront.tasks.instances import mask_loss
from blockfront.tasks.packed_masks import inside_boxes, pack_masks, unpack_masks

SIDE = 24
TASK = TASKS["instances"]


def blob(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def target(*objects: tuple[int, np.ndarray, float]) -> Tensor:
    """One image of 24 × 24 pixels: kind, mask and whether it is ignored, of each object."""
    rows, masks = [[-1, 0, 0, 1, 1, SIDE**2, 0]], [blob(0, 0, 0, 0)]
    for kind, mask, ignored in objects:
        down, across = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [across[0] / SIDE, down[0] / SIDE, (across[-1] + 1) / SIDE, (down[-1] + 1) / SIDE]
        rows.append([kind, *box, float(mask.sum()), ignored])
        masks.append(mask)
    return packed_rows(np.array(rows, dtype=np.float32), np.stack(masks), SIDE)


def outputs(targets: Tensor, masks: list[np.ndarray], scores: list[float], classes: list[int]) -> AnchorOutputs:
    """Of one image: anchors that are the boxes of its masks, each with a prototype of its own."""
    places = []
    for mask in masks:
        down, across = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        places.append([across[0] / SIDE, down[0] / SIDE, (across[-1] + 1) / SIDE, (down[-1] + 1) / SIDE])
    corners = torch.tensor(places, dtype=torch.float32)
    anchors = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)
    logits = torch.full((1, len(masks), 2), -20.0)
    for row, (score, kind) in enumerate(zip(scores, classes, strict=True)):
        logits[0, row, kind] = float(np.log(score / (1 - score)))
    prototypes = torch.from_numpy(np.stack(masks)).float()[None] * 20 - 10
    return AnchorOutputs(
        logits, encode(corners, anchors)[None], anchors, False, torch.eye(len(masks))[None], prototypes
    )


@given(st.integers(12, 30), st.integers(0, 2**31 - 1))
def test_masks_are_unpacked_as_they_were_packed(side: int, seed: int) -> None:
    masks = torch.from_numpy(np.random.default_rng(seed).random((2, 3, side, side)) < 0.5)
    packed = pack_masks(masks)
    assert packed.dtype == torch.float32
    assert packed.shape == (2, 3, -(-(side**2) // 24))
    assert torch.equal(unpack_masks(packed), masks)


def test_a_mirrored_target_is_that_of_the_mirrored_image() -> None:
    mask = blob(2, 3, 9, 5) | blob(2, 3, 4, 20)
    turned = TASK.mirrored(TASK.targets([target((0, mask, 0))], 2))
    torch.testing.assert_close(turned, TASK.targets([target((0, mask[:, ::-1], 0))], 2))


def test_masks_are_brought_to_the_pixels_of_the_input() -> None:
    rows, masks = np.zeros((1, 7), dtype=np.float32), blob(4, 8, 20, 12)[None]
    (half,) = TASK.fitted([(rows, masks)], 12)
    assert torch.equal(unpack_masks(half[:, 7:])[0], torch.from_numpy(masks[0, ::2, ::2]))
    batch = TASK.targets([target((0, masks[0], 0))], 2)
    assert TASK.fitted(batch, SIDE) is batch
    assert torch.equal(unpack_masks(TASK.fitted(batch, 12)[0, 1:, 7:]), torch.from_numpy(masks[:, ::2, ::2]))
    with pytest.raises(UsageError, match="masks have 12 × 12 pixels or more, not 8"):
        TASK.fitted(batch, 8)


def test_exact_masks_score_one_and_filled_boxes_what_they_overlap() -> None:
    """A cross in a box of 12 × 12 pixels has 80 of its 144: overlaps of 0.5 and 0.55 are reached, which is 2 of 10."""
    cross = blob(4, 8, 16, 12) | blob(8, 4, 12, 16)
    targets = TASK.targets([target((1, cross, 0))], 2)
    evaluators = []
    for shown, expected in ((cross, 1.0), (blob(4, 4, 16, 16), 0.2)):
        evaluators.append(evaluator := TASK.evaluator(2))
        evaluator.add(outputs(targets, [shown], [0.9], [1]), targets)
        scores = evaluator.scores()
        assert scores["mask_ap"].value == pytest.approx(expected)
        assert scores["ap"].value == pytest.approx(1.0), "the box is right in both"
        assert set(scores) == {f"{mask}{name}" for mask in ("", "mask_") for name in ("ap", "ap50", "ap75", "ap_small")}
    crosses, boxes = evaluators
    assert crosses.drop(boxes).value == pytest.approx(0.8)


def test_own_matching_which_intervals_come_from_agrees_with_coco() -> None:
    """Objects of two classes, one of them ignored, and masks that overlap them more or less."""
    random = np.random.default_rng(0)
    evaluator = InstanceScores(2)
    for _ in range(12):
        objects, shown, scores, kinds = [], [], [], []
        for number in range(3):
            left, top = random.integers(0, 12, 2)
            mask = blob(left, top, left + 10, top + 8)
            objects.append((number % 2, mask, float(number == 2)))
            moved = random.integers(-2, 3, 2)
            shown.append(np.roll(mask, tuple(moved), (0, 1)))
            scores.append(float(random.uniform(0.1, 0.9)))
            kinds.append(int(random.integers(2)))
        targets = TASK.targets([target(*objects)], 2)
        evaluator.add(outputs(targets, shown, scores, kinds), targets)
    found = evaluator.scores()
    precisions = PooledClasses(evaluator.matched).precisions()
    assert 0.05 < found["mask_ap"].value < 0.95
    assert precisions.mean() == pytest.approx(found["mask_ap"].value, abs=1e-9)
    assert precisions[0] == pytest.approx(found["mask_ap50"].value, abs=1e-9)
    low, high = found["mask_ap"].low, found["mask_ap"].high
    assert low is not None
    assert high is not None
    assert low < found["mask_ap"].value < high


@pytest.mark.parametrize(("wrong", "expected"), [(blob(20, 20, 24, 24), 1.0), (blob(13, 13, 23, 23), 0.5)])
def test_sizes_are_those_of_the_picture(wrong: np.ndarray, expected: float) -> None:
    """A picture of 96 × 96 pixels, 16 in each of the masks': 100 are a medium object, and 16 a small one, aside."""
    right = blob(1, 1, 11, 11)
    targets = TASK.targets([target((0, right, 0))], 2)
    targets[0, :, 5] = torch.tensor([96.0**2, 1600.0])
    evaluator = TASK.evaluator(2)
    evaluator.add(outputs(targets, [right, wrong], [0.9, 0.95], [0, 0]), targets)
    scores = evaluator.scores()
    assert scores["mask_ap_medium"].value == pytest.approx(expected)
    assert scores["mask_ap"].value == pytest.approx(0.5)
    assert "mask_ap_small" not in scores


def test_an_image_without_objects_and_one_without_masks_count() -> None:
    cross = blob(4, 8, 16, 12)
    empty, full = (TASK.targets([one], 2) for one in (target(), target((0, cross, 0))))
    evaluator = TASK.evaluator(2)
    evaluator.add(outputs(empty, [cross], [0.9], [0]), empty)
    evaluator.add(outputs(full, [cross], [0.001], [0]), full)
    assert evaluator.scores()["mask_ap"].value == 0


def test_the_masks_loss_is_the_mean_cross_entropy_of_the_cells_in_the_box() -> None:
    """A box of 12 × 8 pixels on prototypes of 6 × 6 cells of 4 × 4 each: 3 × 2 cells, one of them in part wanted."""
    mask = blob(4, 8, 16, 16)
    mask[8:12, 4:6] = False
    targets = TASK.targets([target((0, mask | blob(4, 8, 5, 9), 0))], 2)
    boxes, masks = targets[..., 1:5], unpack_masks(targets[..., 7:])
    given_out = AnchorOutputs(
        torch.zeros(1, 2, 3),
        torch.zeros(1, 2, 4),
        torch.zeros(2, 4),
        coefficients=torch.tensor([[[1.0], [0.0]]]),
        prototypes=torch.full((1, 1, 6, 6), 2.0),
    )
    chance = 1 / (1 + np.exp(-2.0))
    share = 9 / 16
    cell = -(share * np.log(chance) + (1 - share) * np.log(1 - chance))
    expected = (5 * -np.log(chance) + cell) / 6
    objects = torch.tensor([[1, -1]])
    assert mask_loss(given_out, objects, boxes, masks).item() == pytest.approx(expected, rel=1e-5)
    assert mask_loss(given_out, torch.tensor([[-1, -1]]), boxes, masks).item() == 0


def test_cells_are_in_a_box_by_their_centres_or_by_any_part() -> None:
    box = torch.tensor([[0.3, 0.1, 0.6, 0.2]])
    assert inside_boxes(box, 4, 4)[0].nonzero().tolist() == [[0, 1]]
    assert inside_boxes(box, 4, 4, touched=True)[0].nonzero().tolist() == [[0, 1], [0, 2]]
    assert inside_boxes(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), 3, 5).all()


def test_outputs_without_masks_and_rows_without_masks_are_refused() -> None:
    plain = AnchorOutputs(torch.zeros(1, 4, 3), torch.zeros(1, 4, 4), torch.zeros(4, 4))
    with pytest.raises(UsageError, match="the network gives no masks; take one of a space for instances"):
        TASK.check(plain, 1, 2)
    with pytest.raises(UsageError, match="and no masks"):
        TASK.targets([[[-1, 0, 0, 1, 1, 576, 0]]], 2)
