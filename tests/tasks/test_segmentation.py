"""A class a pixel: what is learned, and how well pixels are told apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from blockfront.errors import UsageError
from blockfront.results import Score
from blockfront.tasks import IGNORED, TASKS
from blockfront.tasks.masks import enlarged, nearest_class

SEGMENTATION = TASKS["segmentation"]


def given_classes(classes: Tensor, count: int) -> Tensor:
    """Logits that give each pixel of (N, H, W) its class."""
    return F.one_hot(classes, count).permute(0, 3, 1, 2).float()


def scores(given: Tensor, masks: Tensor, count: int) -> dict[str, Score]:
    evaluator = SEGMENTATION.evaluator(count)
    evaluator.add(given_classes(given, count), masks)
    return evaluator.scores()


def test_a_class_that_is_nowhere_is_left_out_and_ignored_pixels_count_for_nothing() -> None:
    found = scores(torch.tensor([[[0, 1, 1, 1]]]), torch.tensor([[[0, 0, 1, IGNORED]]]), 3)
    assert found["miou"].value == 0.5
    assert found["pixel_accuracy"].value == pytest.approx(2 / 3)


def test_a_class_that_is_given_where_it_is_not_counts_as_none_found() -> None:
    assert scores(torch.tensor([[[0, 2]]]), torch.tensor([[[0, 0]]]), 3)["miou"].value == 0.25


def test_there_is_one_confusion_matrix_over_all_images() -> None:
    """Two images of IoU 1 and 1/3 of class 0 have (3 + 1) / (3 + 3) together, not the mean 2/3 of both."""
    masks, given = torch.tensor([[[0, 0, 0]], [[0, 0, 0]]]), torch.tensor([[[0, 0, 0]], [[0, 1, 1]]])
    evaluator = SEGMENTATION.evaluator(2)
    for mask, one in zip(masks, given, strict=True):
        evaluator.add(given_classes(one[None], 2), mask[None])
    assert evaluator.scores()["miou"].value == pytest.approx((4 / 6 + 0) / 2)
    assert evaluator.scores() == scores(given, masks, 2)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_scores_are_those_of_a_plain_confusion_matrix_and_intervals_hold_them(seed: int) -> None:
    generator = np.random.default_rng(seed)
    masks, given = (generator.integers(0, 4, (6, 5, 7)) for _ in range(2))
    masks[generator.random(masks.shape) < 0.1] = IGNORED
    matrix = np.zeros((5, 5))
    for wanted, got in zip(masks.ravel(), given.ravel(), strict=True):
        if wanted != IGNORED:
            matrix[wanted, got] += 1
    right = matrix.diagonal()
    shares = [one / union for one, union in zip(right, matrix.sum(0) + matrix.sum(1) - right, strict=True) if union]
    found = scores(torch.from_numpy(given), torch.from_numpy(masks), 5)
    assert found["miou"].value == pytest.approx(np.mean(shares))
    assert found["pixel_accuracy"].value == pytest.approx(right.sum() / matrix.sum())
    for score in found.values():
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.value <= score.high


def test_logits_of_fewer_pixels_are_learned_and_scored_bilinearly() -> None:
    """Of the values 0 and 1 twice as many are 0, 1/4, 3/4 and 1 where no corners are aligned."""
    torch.testing.assert_close(
        enlarged(torch.tensor([[[[0.0, 1.0]]]]), torch.zeros(1, 2, 4))[0, 0, 0], torch.tensor([0, 0.25, 0.75, 1])
    )
    logits, masks = torch.randn(2, 3, 2, 2), torch.randint(3, (2, 4, 4))
    whole = F.interpolate(logits, size=4, mode="bilinear")
    assert SEGMENTATION.loss(logits, masks, 0.1) == SEGMENTATION.loss(whole, masks, 0.1)
    small, large = SEGMENTATION.evaluator(3), SEGMENTATION.evaluator(3)
    small.add(logits, masks)
    large.add(whole, masks)
    assert small.scores() == large.scores()


def test_the_loss_is_the_mean_over_pixels_that_are_not_ignored() -> None:
    logits, masks = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
    masks[0, :2] = IGNORED
    for smoothing in (0.0, 0.1):
        expected = F.cross_entropy(logits, masks, ignore_index=IGNORED, label_smoothing=smoothing)
        torch.testing.assert_close(SEGMENTATION.loss(logits, masks, smoothing), expected)
    assert SEGMENTATION.loss(logits, torch.full_like(masks, IGNORED), 0.0) == 0


def test_masks_are_fitted_by_the_class_in_which_a_pixels_centre_lies() -> None:
    mask = torch.tensor([[0, 1, 2, 3, 4, 5]], dtype=torch.uint8).expand(6, -1)
    assert nearest_class(mask, 3)[0].tolist() == [1, 3, 5]
    assert nearest_class(mask, 12)[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    expected = F.interpolate(mask[None, None].float(), size=4, mode="nearest-exact")[0, 0]
    assert torch.equal(nearest_class(mask, 4), expected.to(torch.uint8))
    fitted = SEGMENTATION.fitted([mask, np.zeros((3, 9), np.uint8)], 4)
    assert [tuple(one.shape) for one in fitted] == [(4, 4), (4, 4)]
    assert torch.equal(SEGMENTATION.fitted(torch.stack([mask, mask]), 4)[1], fitted[0])


@pytest.mark.parametrize(
    ("masks", "reason"),
    [
        ([torch.zeros(2, 2), torch.zeros(2, 2)], "takes a mask of whole numbers an image, .*float32"),
        ([torch.zeros(2, 2, dtype=torch.uint8), torch.zeros(2, 3, dtype=torch.uint8)], "all of one size"),
        (torch.tensor([1, 2]), "takes a mask of whole numbers"),
        (torch.full((1, 2, 2), 3), "of 3 classes takes no class 3"),
    ],
)
def test_what_is_no_mask_is_refused(masks: object, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        SEGMENTATION.targets(masks, 3)  # type: ignore[arg-type]
    masks = torch.tensor([[[0, 2, IGNORED]]], dtype=torch.uint8)
    assert SEGMENTATION.targets(masks, 3).dtype == torch.int64


def test_outputs_that_are_no_maps_of_the_classes_say_what_to_do() -> None:
    with pytest.raises(UsageError, match="no classes of pixels; take one of a space for segmentation"):
        SEGMENTATION.check(torch.zeros(2, 3), 2, 3)
    with pytest.raises(UsageError, match="3 classes for 2 images, not 4 for 2; build it with num_classes=4"):
        SEGMENTATION.check(torch.zeros(2, 3, 8, 8), 2, 4)
    SEGMENTATION.check(torch.zeros(2, 3, 8, 8), 2, 3)


def test_a_drop_of_mean_iou_is_the_difference_of_both():
    masks = torch.randint(3, (6, 8, 8), generator=torch.Generator().manual_seed(0))
    wrong = torch.where(torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.3, 0, masks)
    evaluators = []
    for answer in (masks, wrong):
        evaluator = SEGMENTATION.evaluator(3)
        evaluator.add(given_classes(answer, 3), masks)
        evaluators.append(evaluator)
    first, second = evaluators
    drop = first.drop(second)
    assert drop.value == pytest.approx(1 - second.scores()["miou"].value)
    assert 0 < drop.low < drop.value < drop.high
