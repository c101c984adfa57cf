"""Recipes by name, single fields of them, and what timm's parts make of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from blockfront.design_space import Network
from blockfront.errors import UsageError
from blockfront.training import RECIPES, Dataset, Recipe, choose_recipe, evaluate, get_dataset, train
from blockfront.training.datasets import Tensors
from blockfront.training.digits import digits_split
from blockfront.training.loaders import evenly_spaced, train_loader, views_for
from blockfront.training.optimizing import make_mixing, make_optimizer
from blockfront.training.policies import under_policy
from blockfront.training.seeding import seeded

Build = Callable[[int], nn.Module]


def test_the_quick_recipe_on_digits_is_what_it_always_was() -> None:
    """Accuracies of older studies go on being shared."""
    assert choose_recipe("quick", "digits") == Recipe()
    assert choose_recipe("quick", "digits").hash == "c0211c810a53"


def test_a_name_is_another_recipe_where_its_data_ask_for_one() -> None:
    assert choose_recipe("quick", "fashion_mnist") == RECIPES["quick"].on["fashion_mnist"] != Recipe()
    assert choose_recipe("standard", "fashion_mnist") == RECIPES["standard"].recipe


def test_fields_are_changed_by_texts_of_their_types(tmp_path: Path) -> None:
    changes = ["lr=1e-3", "epochs=7", "amp=true", "clip_grad=2", "auto_augment=rand-m5", "ema=none", "lr=0.5"]
    expected = Recipe(lr=0.5, epochs=7, amp=True, clip_grad=2.0, auto_augment="rand-m5")
    assert choose_recipe("quick", "digits", changes) == expected
    (tmp_path / "own.py").write_text("from blockfront.training import Recipe\nmine = Recipe(lr=0.25)\n")
    assert choose_recipe(f"{tmp_path}/own.py:mine", "digits", ["ema=0.9"]) == Recipe(lr=0.25, ema=0.9)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["lr"], "write FIELD=VALUE, such as lr=0.01"),
        (["learning=0.1"], "a recipe has no field 'learning'.*optimizer, lr, weight_decay"),
        (["epochs=2.5"], "epochs must be a whole number"),
        (["amp=perhaps"], "amp must be true or false"),
        (["epochs=0"], "epochs must be 1 or more"),
        (["mixup=0.1", "batch_size=7"], "an even batch_size"),
    ],
)
def test_a_change_that_is_none_says_so(changes: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        choose_recipe("quick", "digits", changes)


PARTS: dict[str, dict[str, Any]] = {
    "an average of the weights": {"ema": 0.9},
    "mixup": {"mixup": 0.2},
    "cutmix and mixup": {"mixup": 0.2, "cutmix": 1.0},
    "random erasing": {"random_erasing": 0.5},
    "torch's order of images": {"channels_last": False},
    "bfloat16": {"amp": True},
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_network_learns_with_each_of_timms_parts(small_net: Build, part: dict[str, Any]) -> None:
    """And what is scored is what is left in the module."""
    net, digits = small_net(10), get_dataset("digits")
    found = train(net, digits, Recipe(epochs=3, augment=0, **part), resolution=8, device="cpu")
    assert found.scores["top1"].value > 0.4
    assert evaluate(net, digits, resolution=8, device="cpu").scores == found.scores


def test_compiling_that_does_not_work_is_told_in_a_line(small_net: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import TorchDynamoException

    def fail(module: nn.Module) -> None:
        def call(*arguments: object) -> None:
            raise TorchDynamoException("no C++ compiler")

        module._compiled_call_impl = call  # type: ignore[assignment]

    monkeypatch.setattr(nn.Module, "compile", fail)
    net = small_net(10)
    with pytest.raises(UsageError, match=r"torch\.compile does not work here .*no C\+\+ compiler.*leave compile out"):
        train(net, get_dataset("digits"), Recipe(epochs=1, compile=True), resolution=8, device="cpu")
    assert net._compiled_call_impl is None


def test_layers_further_from_the_output_learn_more_slowly() -> None:
    network = Network.parse("cnn_32_n10/stem_k3_s1_c8_nrelu/rep_r2_s2_c8/head")
    optimizer = make_optimizer(network.build(), Recipe(optimizer="adamw", layer_decay=0.5))
    scales = sorted({group["lr_scale"] for group in optimizer.param_groups})
    assert scales == [0.125, 0.25, 0.5, 1.0]  # stem, two blocks, head


def test_layers_that_nobody_has_put_in_order_are_refused(small_net: Build) -> None:
    with pytest.raises(UsageError, match="layer_decay needs a network that orders its layers"):
        make_optimizer(small_net(10), Recipe(layer_decay=0.5))


def test_a_bound_on_images_takes_them_evenly_and_the_same_ones_each_time(small_net: Build) -> None:
    train_images, _ = digits_split()
    some = evenly_spaced(train_images, 100)
    assert torch.equal(some.images[50], train_images.images[50 * 1347 // 100])
    assert evenly_spaced(train_images, 5000) is train_images
    views, digits = views_for(nn.Identity(), 8), get_dataset("digits")
    batches = train_loader(train_images, views, Recipe(images=100, batch_size=20), digits.targets)
    assert len(batches) == 5


def test_mixing_is_for_classes_and_even_batches() -> None:
    digits = get_dataset("digits")
    assert make_mixing(Recipe(), digits) is None
    mixing = make_mixing(Recipe(mixup=0.2, label_smoothing=0.1), digits)
    assert mixing is not None
    _, shares = mixing(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 3]))
    assert shares.sum(1).tolist() == pytest.approx([1.0] * 4)
    other: Dataset = replace(digits, task="segmentation")
    with pytest.raises(UsageError, match="digits is for segmentation"):
        make_mixing(Recipe(cutmix=1.0), other)
    with pytest.raises(UsageError, match="even batch"):
        make_mixing(Recipe(cutmix=1.0, images=7), digits)


@pytest.mark.parametrize("policy", ["rand-m9-mstd0.5-inc1", "augmix-m3-w3", "original", "3a"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_policy_changes_images_in_memory_as_it_does_pictures(policy: str, channels: int) -> None:
    images = (torch.rand(12, channels, 8, 8) * 255).byte()
    data, digits = Tensors(images, torch.zeros(12, dtype=torch.long)), get_dataset("digits")
    views, recipe = views_for(nn.Identity(), 8), Recipe(augment=0.0, batch_size=12, auto_augment=policy)
    with seeded(0):
        ((plain, _),) = train_loader(data, views, replace(recipe, auto_augment=None), digits.targets)
    with seeded(0):
        ((changed, _),) = train_loader(data, views, recipe, digits.targets)
    with seeded(0):
        ((again, _),) = train_loader(data, views, recipe, digits.targets)
    assert changed.shape == (12, 3, 8, 8)
    assert not torch.equal(changed, plain)
    assert torch.equal(changed, again)
    black, white = (level.item() for level in plain.aminmax())
    assert black - 0.02 <= changed.min() <= changed.max() <= white + 0.02
    assert channels == 3 or torch.equal(changed[:, 0], changed[:, 2])


def test_a_policy_that_does_nothing_leaves_images_as_they_are() -> None:
    images = (torch.rand(5, 1, 8, 8) * 255).byte().float() / 255
    assert torch.equal(under_policy(images, lambda picture: picture), images)
