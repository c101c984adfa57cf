"""Recipes by name, and changes of single fields as a command line gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from blockfront.errors import UsageError, unknown
from blockfront.python_file import is_file_reference, load_object
from blockfront.registry import Registry
from blockfront.training.recipe import Recipe, convert_field


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe, and what it is on data sets that ask for another by the same name."""

    title: str
    recipe: Recipe
    on: Mapping[str, Recipe] = field(default_factory=dict)


SCENES = Recipe(epochs=8, batch_size=16, label_smoothing=0.0, clip_grad=10.0)
SCENE_MASKS = replace(SCENES, epochs=4)

RECIPES: Registry[NamedRecipe] = Registry("recipe")
RECIPES.add(
    "quick",
    NamedRecipe(
        "ranks networks in seconds to a minute each",
        Recipe(),
        # A quarter of the images once: augmented, or seen twice and half as many, networks learn less in that time.
        {
            "fashion_mnist": Recipe(images=15_000, epochs=1, batch_size=64, lr=0.02, augment=0.0),
            "scenes": SCENES,
            "scene_masks": SCENE_MASKS,
        },
    ),
)
RECIPES.add(
    "standard",
    NamedRecipe("30 epochs of small pictures, all of them", Recipe(epochs=30, batch_size=128, lr=0.02)),
)
RECIPES.add(
    "finetune",
    NamedRecipe(
        "3 epochs from pretrained weights: add --weights NAME, of bench pretrained",
        Recipe(optimizer="adamw", lr=1e-4, layer_decay=0.75, epochs=3, augment=0.5, clip_grad=1.0),
    ),
)
RECIPES.add(
    "imagenet",
    NamedRecipe(
        # Procedure A3 of Wightman et al. 2021 (arXiv:2110.00476) with softmax's cross-entropy, and its learning rate by
        # the root of the batch, which is a quarter of theirs.
        "100 epochs of large pictures, for a GPU",
        Recipe(
            lr=0.004,
            batch_size=512,
            epochs=100,
            warmup=0.05,
            label_smoothing=0.0,
            auto_augment="rand-m6-mstd0.5-inc1",
            mixup=0.1,
            cutmix=1.0,
            ema=0.9998,
            amp=True,
        ),
    ),
)


def choose_recipe(ref: str, dataset: str, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a name in `RECIPES` on a data set, or of `file.py:NAME`, with fields changed by texts `lr=0.1`.

    Raises `UsageError` for what is no recipe, no field, or no value of a field.
    """
    if is_file_reference(ref):
        recipe: Recipe = load_object(ref, lambda value: isinstance(value, Recipe), "blockfront.training.Recipe")
    else:
        named = RECIPES[ref]
        recipe = named.on.get(dataset, named.recipe)
    names = [one.name for one in fields(Recipe)]
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise UsageError(f"--set {change}: write FIELD=VALUE, such as lr=0.01")
        if name not in names:
            raise unknown("field", name, names, within="a recipe has", otherwise=f"its fields: {', '.join(names)}")
        value = convert_field(name, "null" if text.lower() == "none" else text, strict=False)
        recipe = replace(recipe, **{name: value})
    return recipe
