from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from blockfront.errors import RunError, UsageError
from blockfront.training import Recipe, get_dataset, train
from blockfront.training.datasets import find_source
from blockfront.training.folders import FolderImages

Tree = Callable[..., Path]
LIGHT = Recipe(optimizer="adamw", lr=5e-3, epochs=2, batch_size=8)


def parts(ref: str) -> tuple[FolderImages, FolderImages]:
    dataset = get_dataset(ref)
    opened = find_source(dataset.ref).open(dataset)
    assert all(isinstance(part, FolderImages) for part in opened)
    return opened  # type: ignore[return-value]


@pytest.mark.parametrize("test_name", ["val", "validation", "test"])
def test_a_folder_with_its_own_test_images_keeps_them_apart(tmp_path: Path, picture_tree: Tree, test_name: str) -> None:
    picture_tree(tmp_path / "train", 4)
    picture_tree(tmp_path / test_name, 2)
    train_images, test_images = parts(f"folder:{tmp_path}")
    assert (len(train_images), len(test_images)) == (12, 6)
    assert all(f"/{test_name}/" in test_images.filename(i) for i in range(6))
    assert test_images.labels == [0, 0, 1, 1, 2, 2]


def test_a_tree_of_classes_gives_a_fifth_of_each_class_to_testing(tmp_path: Path, picture_tree: Tree) -> None:
    train_images, test_images = parts(f"folder:{picture_tree(tmp_path / 'all', 10)}")
    assert test_images.labels == [0, 0, 1, 1, 2, 2]
    assert train_images.labels == [0] * 8 + [1] * 8 + [2] * 8
    assert not set(train_images.files) & set(test_images.files)


def test_the_split_of_a_tree_moves_with_the_folder(tmp_path: Path, picture_tree: Tree) -> None:
    names = [
        {Path(part.filename(i)).relative_to(root).as_posix() for i in range(len(part))}
        for root in (picture_tree(tmp_path / "one", 10), picture_tree(tmp_path / "two", 10))
        for part in parts(f"folder:{root}")[1:]
    ]
    assert names[0] == names[1]


def test_a_network_learns_a_folder_of_pictures(
    tmp_path: Path, picture_tree: Tree, small_net: Callable[[int], nn.Module]
) -> None:
    picture_tree(tmp_path / "train", 16)
    picture_tree(tmp_path / "val", 8, first_seed=500)
    accuracy = train(small_net(3), get_dataset(f"folder:{tmp_path}"), LIGHT, resolution=32, device="cpu")
    assert accuracy.scores["top1"].value > 0.9
    assert accuracy.scores["top5"].value == 1.0
    assert accuracy.test_images == 24


def test_a_relative_path_is_kept_absolute(tmp_path: Path, picture_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    picture_tree(tmp_path / "pets", 5)
    monkeypatch.chdir(tmp_path)
    dataset = get_dataset("folder:pets")
    assert dataset.path == str(tmp_path / "pets")
    assert dataset.ref == f"folder:{tmp_path / 'pets'}"


def test_another_picture_changes_the_fingerprint(tmp_path: Path, picture_tree: Tree) -> None:
    root = picture_tree(tmp_path / "all", 5)
    before = get_dataset(f"folder:{root}").fingerprint
    assert get_dataset(f"folder:{root}").fingerprint == before
    (root / "a" / "0.png").rename(root / "a" / "new.png")
    assert get_dataset(f"folder:{root}").fingerprint != before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such folder of images: .*/nowhere"):
        get_dataset(f"folder:{tmp_path / 'nowhere'}")


@pytest.mark.parametrize("ref", ["folder", "folder:"])
def test_a_folder_without_a_path_says_how_to_give_one(ref: str) -> None:
    with pytest.raises(UsageError, match="folder:PATH"):
        get_dataset(ref)


def test_a_bare_path_suggests_the_folder_form(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"write folder:{tmp_path}"):
        get_dataset(str(tmp_path))


def test_an_empty_folder_says_where_images_belong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no images in .*one sub-folder a class"):
        get_dataset(f"folder:{tmp_path}")


def test_one_class_is_too_few(tmp_path: Path, picture_tree: Tree) -> None:
    with pytest.raises(UsageError, match="one class only, 'a'"):
        get_dataset(f"folder:{picture_tree(tmp_path / 'all', 3, names=('a',))}")


def test_a_class_of_one_image_cannot_be_split(tmp_path: Path, picture_tree: Tree) -> None:
    with pytest.raises(UsageError, match="class 'a' has too few images"):
        get_dataset(f"folder:{picture_tree(tmp_path / 'all', 1)}")


def test_test_images_without_training_images_are_refused(tmp_path: Path, picture_tree: Tree) -> None:
    picture_tree(tmp_path / "val", 3)
    with pytest.raises(UsageError, match="has val/ but no train/"):
        get_dataset(f"folder:{tmp_path}")


def test_a_test_class_that_training_lacks_is_named(tmp_path: Path, picture_tree: Tree) -> None:
    picture_tree(tmp_path / "train", 3)
    picture_tree(tmp_path / "val", 3, names=("a", "b", "zebra"))
    with pytest.raises(UsageError, match="lacks: zebra"):
        get_dataset(f"folder:{tmp_path}")


def test_an_image_outside_any_class_is_named(tmp_path: Path, picture_tree: Tree) -> None:
    root = picture_tree(tmp_path / "all", 3)
    (root / "a" / "0.png").rename(root / "stray.png")
    with pytest.raises(UsageError, match=r"stray\.png lies in no class folder"):
        get_dataset(f"folder:{root}")


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"no picture", "cannot be read")])
def test_a_damaged_image_is_named_before_training(
    tmp_path: Path, picture_tree: Tree, content: bytes, reason: str
) -> None:
    root = picture_tree(tmp_path / "all", 5)
    (root / "b" / "3.png").write_bytes(content)
    with pytest.raises(UsageError, match=rf"b/3\.png {reason}"):
        get_dataset(f"folder:{root}")


def test_a_half_written_image_is_named_before_training(tmp_path: Path, picture_tree: Tree) -> None:
    root = picture_tree(tmp_path / "all", 5)
    file = root / "b" / "3.png"
    file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(UsageError, match=r"b/3\.png cannot be read"):
        get_dataset(f"folder:{root}")


@pytest.mark.processes
@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_damaged_after_the_check_stops_training_by_name(
    tmp_path: Path, picture_tree: Tree, small_net: Callable[[int], nn.Module], workers: int
) -> None:
    root = picture_tree(tmp_path / "all", 5)
    dataset = get_dataset(f"folder:{root}")
    (root / "b" / "3.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"^image .*b/3\.png cannot be read.*replace it$"):
        train(small_net(3), dataset, LIGHT, resolution=32, device="cpu", workers=workers)
