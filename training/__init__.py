"""Accuracy of any `nn.Module`: data sets, the recipe, the training loop."""

from __future__ import annotations

from . import digits, folders, hugging_face, torchvision_datasets  # noqa: F401  (each registers its data sets)
from .datasets import DATASETS, Dataset, Pictures, Source, Tensors, get_dataset
from .loop import evaluate, score, train
from .placing import Feed, fed
from .recipe import Recipe
from .seeding import seeded

__all__ = [
    "DATASETS",
    "Dataset",
    "Feed",
    "Pictures",
    "Recipe",
    "Source",
    "Tensors",
    "evaluate",
    "fed",
    "get_dataset",
    "score",
    "seeded",
    "train",
]
