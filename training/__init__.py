"""Accuracy of any `nn.Module`: data sets, the recipe, the training loop."""

from __future__ import annotations

from blockfront.training import (  # noqa: F401  (each registers its data sets)
    coco,
    digits,
    fashion_mnist,
    folders,
    hugging_face,
    mask_folders,
    scene_masks,
    scenes,
    torchvision_datasets,
    voc,
)
from blockfront.training.datasets import DATASETS, Dataset, Pictures, Source, Tensors, get_dataset
from blockfront.training.loop import evaluate, score, train
from blockfront.training.placing import Feed, fed
from blockfront.training.recipe import Recipe
from blockfront.training.recipes import RECIPES, NamedRecipe, choose_recipe
from blockfront.training.seeding import seeded
from blockfront.training.weights import load_weights, pack_weights

__all__ = [
    "DATASETS",
    "RECIPES",
    "Dataset",
    "Feed",
    "NamedRecipe",
    "Pictures",
    "Recipe",
    "Source",
    "Tensors",
    "choose_recipe",
    "evaluate",
    "fed",
    "get_dataset",
    "load_weights",
    "pack_weights",
    "score",
    "seeded",
    "train",
]
