"""Test images of which some or all have nothing that counts, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from blockfront.design_space import Network
from blockfront.errors import RunError, UsageError
from blockfront.training import Dataset, Recipe, Source, Tensors, evaluate, get_dataset, labels_of_tests, seeded, train
from blockfront.training.scenes import write_scenes

DETECTOR = "det_32_d2/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16/ssdlite_l2_sab.ab"
PICTURE = [-1.0, 0, 0, 1, 1, 1024, 0]
OBJECT = [1.0, 0.1, 0.1, 0.6, 0.6, 256, 0]
CROWD = [1.0, 0.1, 0.1, 0.6, 0.6, 256, 1]
NOTHING = [-1.0, 0, 0, 0, 0, 0, 0]


def boxes(register: Callable[[Source], Source], *rows: list[float]) -> Dataset:
    """Three images to learn by, and a test image with each of these rows."""

    def opened(_: Dataset) -> tuple[Tensors, Tensors]:
        learn, test = (
            Tensors(torch.rand(len(labels), 3, 32, 32), torch.tensor([[PICTURE, row] for row in labels]))
            for labels in ([OBJECT] * 3, rows)
        )
        return learn, test

    register(Source("boxes", "Boxes", "made here", opened, num_classes=2, resolution=32, task="detection"))
    return get_dataset("boxes")


def trained(data: Dataset, epochs: int) -> Any:
    with seeded(0):
        return train(Network.parse(DETECTOR).build(), data, Recipe(epochs=epochs, batch_size=2), device="cpu")


def test_a_training_whose_test_objects_are_all_ignored_fails_with_that_reason(register: Any) -> None:
    data, said = (
        boxes(register, CROWD, NOTHING),
        "^data set boxes: the test images that are scored give no ap, as where",
    )
    with pytest.raises(RunError, match=said):
        trained(data, 1)
    with pytest.raises(RunError, match=said):
        evaluate(Network.parse(DETECTOR).build(), data, device="cpu")


def test_where_nothing_counts_in_the_images_glanced_at_all_are_scored(
    register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockfront.training.loop.GLANCE", 1)
    found = trained(boxes(register, CROWD, NOTHING, OBJECT), 3)
    assert len(found.curve) == 3
    assert found.scores["ap"].value == found.curve[-1]


def test_labels_of_test_images_are_those_of_their_batches(register: Any, tmp_path: Path) -> None:
    kept = list(labels_of_tests(boxes(register, CROWD, OBJECT)))
    torch.testing.assert_close(torch.stack(kept), torch.tensor([[PICTURE, CROWD], [PICTURE, OBJECT]]))
    write_scenes(tmp_path, {"train": 2, "val": 3})
    data = get_dataset(f"coco:{tmp_path}")
    for file in (tmp_path / "images" / "val").iterdir():
        # No picture is looked at.
        Image.new("RGB", (3, 3)).save(file)
    assert [len(rows) > 1 for rows in labels_of_tests(data)] == [True] * 3


@dataclass(frozen=True)
class Unreadable:
    """Pictures of which the second cannot be read."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Image.Image, list[list[float]]]:
        if index:
            raise OSError("it is cut short")
        return Image.new("RGB", (32, 32)), [PICTURE, OBJECT]


def test_a_test_picture_that_cannot_be_read_for_its_label_is_refused_by_its_number(register: Any) -> None:
    pictures = Unreadable()
    source = Source("cut", "Cut short", "made here", lambda _: (pictures, pictures), 2, 32, task="detection")
    register(source)
    labels = labels_of_tests(Dataset("cut", None, 2, 32, 2, 2, "f", task="detection"))
    assert next(labels) == [PICTURE, OBJECT]
    with pytest.raises(UsageError, match="it is cut short"):
        next(labels)
