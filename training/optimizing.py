"""What a recipe makes of a network before its first step: optimiser, schedule, average of weights, mixing of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from timm.data import Mixup
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import nn
from torch.optim import Optimizer

from blockfront.errors import UsageError, first_line
from blockfront.tasks import CLASSIFICATION, TASKS
from blockfront.training.datasets import Dataset
from blockfront.training.policies import make_policy
from blockfront.training.recipe import Recipe

LOWEST_LR = 0.01
"""Where warm-up starts and decay ends, as a share of the recipe's learning rate."""


def check_recipe(recipe: Recipe, dataset: Dataset) -> None:
    """Raises `UsageError` for an optimiser that does not work here, a policy that is none, and what does not suit the
    data set's task."""
    if recipe.auto_augment is not None:
        make_policy(recipe.auto_augment, dataset.resolution)
        if TASKS[dataset.task].places:
            raise UsageError(f"auto_augment moves what {dataset.task} says the place of; leave it out")
    make_mixing(recipe, dataset)
    weights = nn.ParameterList([torch.ones(2, 2)])
    optimizer = make_optimizer(weights, replace(recipe, layer_decay=None))
    weights[0].sum().backward()
    try:
        optimizer.step()
    except Exception as error:
        raise UsageError(f"optimizer {recipe.optimizer!r} does not work here: {first_line(error)}") from error


def make_optimizer(module: nn.Module, recipe: Recipe) -> Optimizer:
    """Raises `UsageError` for one that cannot be here, and for layers of a network that nobody has put in order."""
    if recipe.layer_decay is not None and not hasattr(module, "group_matcher"):
        raise UsageError("layer_decay needs a network that orders its layers (timm's group_matcher); leave it out")
    try:
        return create_optimizer_v2(
            module,
            recipe.optimizer,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
            layer_decay=recipe.layer_decay,
        )
    except (AssertionError, ImportError) as error:
        raise UsageError(f"optimizer {recipe.optimizer!r} does not work here: {error}") from error


def make_scheduler(optimizer: Optimizer, recipe: Recipe, steps: int) -> Scheduler:
    """The learning rate of each step, of `steps` an epoch."""
    lowest = recipe.lr * LOWEST_LR
    scheduler, _ = create_scheduler_v2(
        optimizer,
        "poly" if recipe.schedule == "linear" else recipe.schedule,
        num_epochs=recipe.epochs,
        decay_rate=1.0,
        min_lr=lowest,
        warmup_lr=lowest,
        warmup_epochs=recipe.warmup * recipe.epochs,
        step_on_epochs=False,
        updates_per_epoch=steps,
    )
    return scheduler


def make_average(module: nn.Module, recipe: Recipe) -> ModelEmaV3 | None:
    """The moving average of a network's weights, warmed up so that the random ones at the start fade; None without."""
    return None if recipe.ema is None else ModelEmaV3(module, decay=recipe.ema, use_warmup=True)


def make_mixing(recipe: Recipe, dataset: Dataset) -> Mixup | None:
    """What mixes a batch, and its classes to shares of them; None without. Raises `UsageError` for another task."""
    if not recipe.mixes:
        return None
    if dataset.task != CLASSIFICATION:
        raise UsageError(f"mixup and cutmix mix classes, and {dataset.ref} is for {dataset.task}; leave them out")
    images = min(recipe.images or dataset.train_images, dataset.train_images)
    if images < recipe.batch_size and images % 2:
        raise UsageError(
            f"mixup and cutmix want an even batch, and the training images, {images}, are less than one of "
            f"{recipe.batch_size}: choose an even batch_size below, or other images"
        )
    smoothing = recipe.label_smoothing
    return Mixup(recipe.mixup, recipe.cutmix, label_smoothing=smoothing, num_classes=dataset.num_classes)


@contextmanager
def compiled(module: nn.Module, recipe: Recipe) -> Iterator[None]:
    """The network's calls through torch.compile meanwhile, where the recipe asks for it.

    Raises `UsageError` where that does not work here.
    """
    if not recipe.compile:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException

    module.compile()
    try:
        yield
    except TorchDynamoException as error:
        raise UsageError(f"torch.compile does not work here ({first_line(error)}); leave compile out") from error
    finally:
        module._compiled_call_impl = None
