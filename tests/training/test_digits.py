from __future__ import annotations

import msgspec
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from blockfront.training import Dataset, Recipe, Tensors, get_dataset
from blockfront.training.digits import digits_split
from blockfront.training.loaders import evaluation_loader, train_loader, views_for
from blockfront.training.tensor_batches import TensorBatches, warp


def test_digits_are_split_into_1347_and_450_images_of_ten_classes() -> None:
    digits = get_dataset("digits")
    assert (digits.train_images, digits.test_images) == (1347, 450)
    assert (digits.num_classes, digits.resolution) == (10, 32)


def test_a_quarter_of_every_class_is_for_testing() -> None:
    sizes = torch.bincount(torch.from_numpy(load_digits().target))
    train, test = digits_split()
    assert torch.equal(torch.bincount(train.labels) + torch.bincount(test.labels), sizes)
    assert (torch.bincount(test.labels) - sizes / 4).abs().max() <= 0.5


def test_both_parts_together_are_the_images_scikit_learn_gives() -> None:
    def rows(images: torch.Tensor) -> list[bytes]:
        return sorted(image.numpy().tobytes() for image in (images * 16).byte())

    train, test = digits_split()
    assert rows(torch.cat([train.images, test.images])) == rows(torch.from_numpy(load_digits().images) / 16)
    assert not set(rows(train.images)) & set(rows(test.images))


def test_the_split_never_changes() -> None:
    assert get_dataset("digits").fingerprint == "9aae95bf4257"


def test_a_dataset_survives_json() -> None:
    digits = get_dataset("digits")
    assert msgspec.convert(msgspec.to_builtins(digits), Dataset) == digits


def test_a_plain_resize_equals_bilinear_interpolation() -> None:
    images = digits_split()[0].images[:5]
    expected = F.interpolate(images, (33, 33), mode="bilinear", align_corners=False)
    torch.testing.assert_close(warp(images, 33, 0.0), expected, atol=1e-5, rtol=0)


def test_a_warped_digit_stays_near_the_plain_one() -> None:
    torch.manual_seed(0)
    images = digits_split()[0].images[:64]
    plain, warped = warp(images, 32, 0.0), warp(images, 32, 1.0)
    likeness = F.cosine_similarity(plain.flatten(1), warped.flatten(1))
    assert likeness.min() > 0.7
    assert likeness.mean() < 0.99


def test_test_batches_hold_every_image_once_in_order_and_are_normalised() -> None:
    train, test = digits_split()
    loader = evaluation_loader(test, train, views_for(torch.nn.Identity(), 8), get_dataset("digits").targets)
    images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert images.shape == (450, 3, 8, 8)
    assert torch.equal(labels, test.labels)
    expected = (test.images - train.images.mean()) / train.images.std()
    torch.testing.assert_close(images, expected.expand(-1, 3, -1, -1), atol=1e-5, rtol=0)


def test_training_batches_are_shuffled_full_and_drawn_without_repeats() -> None:
    train, _ = digits_split()
    numbered = Tensors(train.images, torch.arange(len(train)))
    views, targets = views_for(torch.nn.Identity(), 16), get_dataset("digits").targets
    loader = train_loader(numbered, views, Recipe(batch_size=100), targets)
    assert isinstance(loader, TensorBatches)
    first, second = (torch.cat([labels for _, labels in loader]) for _ in range(2))
    assert len(loader) == 13
    assert len(first.unique()) == 1300
    assert not torch.equal(first, second)
