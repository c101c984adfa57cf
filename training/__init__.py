"""Accuracy of any `nn.Module`: data sets, the recipe, the training loop."""

from __future__ import annotations

from blockfront.training import (  # noqa: F401  (each registers its data sets or weights)
    coco,
    digits,
    dinov2,
    efficientnet_lite,
    fashion_mnist,
    folders,
    hugging_face,
    instances,
    mask_folders,
    scene_masks,
    scenes,
    torchvision_datasets,
    voc,
)
from blockfront.training.datasets import DATASETS, Dataset, Pictures, Source, Tensors, get_dataset
from blockfront.training.labels import labels_of_tests
from blockfront.training.loop import evaluate, score, train
from blockfront.training.placing import Feed, fed
from blockfront.training.pretrained import PRETRAINED, Pretrained, give_weights
from blockfront.training.recipe import Recipe
from blockfront.training.recipes import RECIPES, NamedRecipe, choose_recipe
from blockfront.training.seeding import seeded
from blockfront.training.weights import load_weights, pack_weights, weights_facts

__all__ = [
    "DATASETS",
    "PRETRAINED",
    "RECIPES",
    "Dataset",
    "Feed",
    "NamedRecipe",
    "Pictures",
    "Pretrained",
    "Recipe",
    "Source",
    "Tensors",
    "choose_recipe",
    "evaluate",
    "fed",
    "get_dataset",
    "give_weights",
    "labels_of_tests",
    "load_weights",
    "pack_weights",
    "score",
    "seeded",
    "train",
    "weights_facts",
]
