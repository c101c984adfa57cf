from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import msgspec
import pytest

from blockfront.errors import UsageError
from blockfront.training import Recipe

OTHER = {
    "optimizer": "sgd",
    "lr": 0.5,
    "weight_decay": 0.25,
    "momentum": 0.5,
    "schedule": "linear",
    "warmup": 0.3,
    "batch_size": 48,
    "epochs": 3,
    "label_smoothing": 0.05,
    "clip_grad": 2.0,
    "augment": 0.5,
    "auto_augment": "rand-m9",
    "random_erasing": 0.25,
    "amp": True,
    "images": 1000,
    "mixup": 0.2,
    "cutmix": 1.0,
    "ema": 0.99,
    "layer_decay": 0.75,
    "channels_last": False,
    "compile": True,
    "weights": "dinov2_small",
}


def test_the_hash_is_sha256_of_the_canonical_json() -> None:
    recipe = Recipe(optimizer="sgd", lr=0.1, weight_decay=0.0005, epochs=5)
    text = (
        '{"amp":false,"augment":1.0,"auto_augment":null,"batch_size":32,"clip_grad":null,"epochs":5,'
        '"label_smoothing":0.1,"lr":0.1,"momentum":0.9,"optimizer":"sgd","random_erasing":0.0,'
        '"schedule":"cosine","warmup":0.1,"weight_decay":0.0005}'
    )
    assert recipe.hash == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_the_hash_changes_with_every_field() -> None:
    assert set(OTHER) == {field.name for field in fields(Recipe)}
    hashes = {Recipe().hash} | {replace(Recipe(), **{name: value}).hash for name, value in OTHER.items()}
    assert len(hashes) == 1 + len(OTHER)


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(**OTHER)
    again = msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe)
    assert again == recipe
    assert again.hash == recipe.hash


def test_whole_numbers_and_decimals_of_one_value_are_one_recipe() -> None:
    assert Recipe(lr=1, augment=1).hash == Recipe(lr=1.0, augment=1.0).hash


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("weight_decay", -1.0),
        ("momentum", 1.0),
        ("warmup", 1.0),
        ("batch_size", 1),
        ("epochs", 0),
        ("label_smoothing", 1.0),
        ("clip_grad", 0.0),
        ("augment", -0.5),
        ("random_erasing", 1.5),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} must be"):
        Recipe(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("epochs", 2.5, "a whole number"),
        ("batch_size", True, "a whole number"),
        ("lr", "0.1", "a number"),
        ("amp", "no", "true or false"),
        ("optimizer", None, "text"),
        ("auto_augment", 5, "text or None"),
        ("images", 3.5, "a whole number or None"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name: str, value: object, wanted: str) -> None:
    with pytest.raises(UsageError, match=f"recipe: {name} must be {wanted}, not "):
        Recipe(**{name: value})  # type: ignore[arg-type]


def test_an_unknown_optimizer_suggests_near_names() -> None:
    with pytest.raises(UsageError, match="unknown optimizer 'adamww'; did you mean adamw"):
        Recipe(optimizer="adamww")


def test_an_unknown_schedule_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="cosine, linear, constant"):
        Recipe(schedule="step")  # type: ignore[arg-type]
