"""Fashion-MNIST: found, fetched, checked; with a few made-up pictures in the files of the real ones."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from blockfront.errors import RunError, UsageError
from blockfront.training import Tensors, fashion_mnist, get_dataset
from blockfront.training.tensor_batches import TensorBatches, spread


def _contents() -> dict[str, bytes]:
    found = {}
    for part, count in (("train", 40), ("t10k", 20)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        found[f"{part}-images-idx3-ubyte"] = struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes()
        labels = (np.arange(count) % 10).astype(np.uint8)
        found[f"{part}-labels-idx1-ubyte"] = struct.pack(">II", 2049, count) + labels.tobytes()
    return found


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the four files, two of them compressed, and nothing else known of them anywhere."""
    folder = tmp_path / "given"
    folder.mkdir()
    contents = _contents()
    for place, (name, content) in enumerate(contents.items()):
        if place % 2:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(fashion_mnist, "FILES", hashes)
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "nowhere")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCH_OFFLINE", "0")
    fashion_mnist._split.cache_clear()
    return folder


def _copied(files: Path):
    def fetch(made: Path) -> Path:
        made.mkdir()
        for file in files.iterdir():
            (made / file.name).write_bytes(file.read_bytes())
        return made

    return fetch


def _fails(made: Path) -> Path:
    raise RunError("no network")


def test_the_files_are_read_compressed_or_not(files: Path) -> None:
    dataset = get_dataset("fashion_mnist", str(files))
    assert (dataset.train_images, dataset.test_images, dataset.num_classes, dataset.resolution) == (40, 20, 10, 32)
    assert [(one.name, one.train, one.test) for one in dataset.classes[:2]] == [
        ("T-shirt/top", 4, 2),
        ("Trouser", 4, 2),
    ]
    train, _ = fashion_mnist.fashion_mnist_split(files)
    pixels = np.random.default_rng(40).integers(0, 256, (40, 28, 28), np.uint8)
    assert np.array_equal(train.images.numpy()[:, 0], pixels)


def test_a_damaged_file_is_named(files: Path) -> None:
    (files / "train-images-idx3-ubyte").write_bytes(b"something else")
    with pytest.raises(UsageError, match="train-images-idx3-ubyte is damaged, or not Fashion-MNIST's"):
        get_dataset("fashion_mnist", str(files))
    (files / "train-images-idx3-ubyte").unlink()
    with pytest.raises(UsageError, match="has no train-images-idx3-ubyte of Fashion-MNIST"):
        get_dataset("fashion_mnist", str(files))


def test_it_is_fetched_once_by_the_first_way_that_works_and_one_line_says_so(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fashion_mnist, "FETCHERS", (_fails, _copied(files)))
    own = tmp_path / "cache" / "datasets" / "fashion_mnist"
    assert get_dataset("fashion_mnist").path == str(own)
    assert capsys.readouterr().err == f"downloading Fashion-MNIST (31 MB, once) to {own}\n"
    assert get_dataset("fashion_mnist").path == str(own)
    assert capsys.readouterr().err == ""


def test_what_cannot_be_had_or_is_something_else_says_why(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "t10k-images-idx3-ubyte").write_bytes(b"something else")
    monkeypatch.setattr(fashion_mnist, "FETCHERS", (_fails, _copied(files)))
    with pytest.raises(RunError, match=r"cannot be had: no network; .*t10k-images-idx3-ubyte is damaged"):
        get_dataset("fashion_mnist")
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    with pytest.raises(RunError, match="BENCH_OFFLINE forbids"):
        get_dataset("fashion_mnist")


def test_where_nobody_names_data_and_these_cannot_be_had_digits_stand_in(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blockfront.sweep.aims import OtherData, choose_training
    from blockfront.sweep.request import Request

    monkeypatch.setattr(fashion_mnist, "FETCHERS", (_fails,))
    with pytest.warns(OtherData, match="no network; networks are trained on digits instead"):
        dataset, _ = choose_training(Request())
    assert dataset is not None
    assert dataset.ref == "digits"
    with pytest.raises(RunError, match="no network"):
        choose_training(Request(dataset="fashion_mnist"))


def test_bytes_are_what_the_numbers_they_stand_for_are() -> None:
    bytes_ = torch.randint(0, 256, (2500, 1, 6, 6), dtype=torch.uint8)
    labels = torch.zeros(2500, dtype=torch.int64)
    whole, numbers = Tensors(bytes_, labels), Tensors(bytes_.float() / 255, labels)
    for one, other in zip(spread(whole), spread(numbers), strict=True):
        assert float(one) == pytest.approx(float(other), rel=1e-5)
    (first, _), *_ = TensorBatches(whole, whole, 8, 100, lambda x: x, 0.0, False)
    (second, _), *_ = TensorBatches(numbers, numbers, 8, 100, lambda x: x, 0.0, False)
    assert torch.allclose(first, second, atol=1e-5)


def test_half_of_the_pictures_are_mirrored_where_that_keeps_their_label() -> None:
    images = torch.rand(200, 1, 8, 8)
    data = Tensors(images, torch.zeros(200, dtype=torch.int64))
    ((plain, _),) = TensorBatches(data, data, 8, 200, lambda x: x, 0.0, False)
    ((mirrored, _),) = TensorBatches(data, data, 8, 200, lambda x: x, 0.0, False, mirrored=torch.clone)
    same = (mirrored - plain).abs().amax((1, 2, 3)) < 1e-6
    turned = (mirrored - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-6
    assert (same | turned).all()
    assert 70 < int(turned.sum()) < 130
