"""A data set's images on a network's device, without training it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from blockfront.errors import RunError, UsageError
from blockfront.training import fed, get_dataset


@pytest.fixture(params=["digits", "folder"])
def dataset(request, picture_tree, tmp_path):
    if request.param == "digits":
        return get_dataset("digits")
    picture_tree(tmp_path / "pictures", 10)
    return get_dataset(f"folder:{tmp_path / 'pictures'}")


def test_training_images_come_once_each_in_an_order_of_the_seed(small_net, dataset):
    def read(seed, **options):
        with fed(small_net(10), dataset, resolution=16, device="cpu", seed=seed) as feed:
            batches = list(feed.training(8, **options))
        assert all(len(labels) == 8 for _, labels in batches[:-1])
        return torch.cat([images for images, _ in batches]), torch.cat([labels for _, labels in batches])

    images, labels = read(0)
    again, same = read(0)
    assert images.equal(again)
    assert labels.equal(same)
    assert images.shape == (dataset.train_images, 3, 16, 16)
    others, theirs = read(1)
    assert not images.equal(others)
    assert Counter(labels.tolist()) == Counter(theirs.tolist())
    assert sorted(images.sum((1, 2, 3)).tolist()) == pytest.approx(sorted(others.sum((1, 2, 3)).tolist()), rel=1e-3)
    few, _ = read(0, limit=5)
    assert few.equal(images[:5])


def test_test_images_come_in_order_and_the_network_is_as_it_was(small_net, dataset):
    net = small_net(10).train()
    threads = torch.get_num_threads()
    with fed(net, dataset, resolution=16, device="cpu") as feed:
        first, second = (torch.cat([labels for _, labels in feed.test(4)]) for _ in range(2))
    assert first.equal(second)
    assert len(first) == dataset.test_images
    assert net.training
    assert torch.get_num_threads() == threads


def test_mixed_precision_holds_inside_alone(small_net, dataset):
    net = small_net(10)
    with fed(net, dataset, resolution=16, device="cpu", amp=True) as feed:
        images, _ = next(iter(feed.test(2)))
        assert net(images).dtype == torch.bfloat16
    assert net(images).dtype == torch.float32


def test_a_device_that_is_not_there_and_an_unreadable_picture_are_named(small_net, picture_tree, tmp_path):
    folder = picture_tree(tmp_path / "pictures", 10)
    dataset = get_dataset(f"folder:{folder}")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no cuda"), fed(small_net(3), dataset, device="cuda"):
            pass
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    with (
        pytest.raises(RunError, match=r"\d\.png cannot be read"),
        fed(small_net(3), dataset, resolution=16, device="cpu") as feed,
    ):
        list(feed.training(4))
