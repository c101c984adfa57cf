"""Train a network on a data set, or evaluate it: any module that gives (N, outputs) from (N, 3, R, R)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.data import Mixup
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim import Optimizer

from blockfront.errors import RunError, UsageError
from blockfront.results import Score, Training
from blockfront.tasks import TASKS
from blockfront.training.checkpoint import resume, save_checkpoint
from blockfront.training.datasets import Dataset, find_source
from blockfront.training.loaders import Loader, evaluation_loader, evenly_spaced, train_loader
from blockfront.training.optimizing import (
    check_recipe,
    compiled,
    make_average,
    make_mixing,
    make_optimizer,
    make_scheduler,
)
from blockfront.training.placing import Feed, choose_device, choose_views, fed, place, prepared
from blockfront.training.recipe import Recipe

GLANCE = 1000
"""Test images scored after each epoch but the last, evenly spaced: all would cost as much as a short epoch."""

OnEpoch = Callable[[int, int, float], None]
Criterion = Callable[[Any, Tensor], Tensor]
Loss = Callable[[Tensor, Tensor, Criterion], Tensor]


def train(
    module: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    *,
    resolution: int | None = None,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    workers: int = 0,
    loss: Loss | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    until: int | None = None,
) -> Training:
    """Train `module` in place and return its scores on the test images after the last epoch.

    `resolution` is the input size in pixels, the data set's own by default. `device` is auto (CUDA where
    there is one), cpu, or cuda. On a CPU the same module, seed and threads give the same result in any
    process; build the module under `seeded(seed)` so that its initial weights repeat too. `workers` more
    processes load pictures. `loss(images, targets, criterion)` gives what is minimised, where that is more than
    the task's `criterion(outputs, targets)`, such as losses of auxiliary heads. `on_epoch(epoch, epochs, value)` is
    called after each epoch, counted from 1, with the task's first metric, of `GLANCE` test images before the last one.
    A module that has a `begin_epoch(epoch, epochs)` is told of each epoch before it, counted from 0.
    `checkpoint` is a file that has the training after each epoch: where it is there, training goes on from it, and on a
    CPU the result is what it would have been (with `workers` 0). Who has kept the result deletes it. `until` stops
    after that epoch: what is returned then has a curve and no scores, and goes on from its checkpoint. The process's
    threads and random generators, and the module's device and mode, are restored. Raises `UsageError` for a device that
    is not there, a module with another number of outputs and labels that are none of the task's, `RunError` when
    training diverges, memory runs out, an image cannot be read or test images do not give the task's first metric.
    """
    where = choose_device(device)
    check_recipe(recipe, dataset)
    start = time.perf_counter()
    views = choose_views(module, dataset, resolution, workers)
    with prepared(module, where, threads, seed, channels_last=recipe.channels_last):
        source = find_source(dataset.ref)
        train_images, test_images = source.open(dataset)
        task = TASKS[dataset.task]
        batches = train_loader(
            train_images,
            views,
            recipe,
            dataset.targets,
            flip=source.flip,
            moves=source.moves,
            task=task,
            workers=workers,
        )
        tests, glances = (
            evaluation_loader(images, train_images, views, dataset.targets, task=task, workers=workers)
            for images in (test_images, evenly_spaced(test_images, GLANCE))
        )
        steps = _Steps(
            module=module,
            loss=loss or (lambda images, targets, criterion: criterion(module(images), targets)),
            optimizer=(optimizer := make_optimizer(module, recipe)),
            scheduler=make_scheduler(optimizer, recipe, len(batches)),
            average=make_average(module, recipe),
            mixing=make_mixing(recipe, dataset),
            recipe=recipe,
            dataset=dataset,
            device=where,
        )
        scores: dict[str, Score] = {}
        value = task.value
        curve, spent = resume(checkpoint, module, optimizer, steps.average)
        end = recipe.epochs if until is None else min(until, recipe.epochs)
        begin = getattr(module, "begin_epoch", None)
        for epoch in range(len(curve), end):
            if begin is not None:
                begin(epoch, recipe.epochs)
            with compiled(module, recipe):
                mean = steps.epoch(batches, epoch * len(batches))
            if not math.isfinite(mean):
                raise RunError(
                    f"training diverged in epoch {epoch + 1} of {recipe.epochs} (loss is {mean}); "
                    f"lower the learning rate ({recipe.lr:g})"
                )
            last = epoch + 1 == recipe.epochs
            scores = _score(steps.scored, tests if last else glances, where, dataset)
            if not last and _lacks(scores, value):
                # Nothing counts in the few: from now on all are looked at.
                glances = tests
                scores = _score(steps.scored, tests, where, dataset)
            curve.append(_required(scores, dataset)[value].value)
            if checkpoint is not None:
                seconds = spent + time.perf_counter() - start
                save_checkpoint(checkpoint, module, optimizer, steps.average, curve, seconds)
            if on_epoch is not None:
                on_epoch(epoch + 1, recipe.epochs, curve[-1])
        if len(curve) < recipe.epochs:
            scores = {}
        elif not scores:
            scores = _required(_score(steps.scored, tests, where, dataset), dataset)
        if steps.average is not None:
            module.load_state_dict(steps.average.module.state_dict())
    return Training(
        scores=scores,
        test_images=dataset.test_images,
        curve=tuple(curve),
        dataset=dataset.ref,
        recipe_hash=recipe.hash,
        epochs=len(curve),
        source="trained",
        seconds=spent + time.perf_counter() - start,
        seed=seed,
    )


def evaluate(
    module: nn.Module,
    dataset: Dataset,
    *,
    resolution: int | None = None,
    device: str = "auto",
    threads: int = 1,
    workers: int = 0,
) -> Training:
    """Scores of a module as it is (source `checkpoint`, no recipe, no epochs); arguments as in `train`."""
    start = time.perf_counter()
    with fed(module, dataset, resolution=resolution, device=device, threads=threads, workers=workers) as feed:
        scores = score(module, feed)
    seconds = time.perf_counter() - start
    return Training(scores, dataset.test_images, (), dataset.ref, "", 0, "checkpoint", seconds, 0)


def score(module: nn.Module, feed: Feed, batches: Iterable[tuple[Tensor, Tensor]] | None = None) -> dict[str, Score]:
    """The task's metrics of a module on the feed's device, over `batches` of test images, by default all.

    A batch is images (N, 3, R, R) and the task's targets (N, ...). Raises `UsageError` for outputs that the task does
    not take, and `RunError` for a picture that cannot be read and for images that do not give the task's first metric.
    """
    found = _score(module, feed.test() if batches is None else batches, feed.device, feed.dataset)
    return _required(found, feed.dataset)


@dataclass(frozen=True)
class _Steps:
    """A network in training: what each of its steps takes."""

    module: nn.Module
    loss: Loss
    optimizer: Optimizer
    scheduler: Scheduler
    average: ModelEmaV3 | None
    mixing: Mixup | None
    recipe: Recipe
    dataset: Dataset
    device: torch.device

    @property
    def scored(self) -> nn.Module:
        """The network that test images see."""
        return self.module if self.average is None else self.average.module

    def criterion(self, outputs: Any, targets: Tensor) -> Tensor:
        """What the task minimises."""
        _check(outputs, len(targets), self.dataset)
        # mixed classes are smooth already
        smoothing = 0.0 if self.mixing else self.recipe.label_smoothing
        return TASKS[self.dataset.task].loss(outputs, targets, smoothing)

    def epoch(self, batches: Loader, done: int) -> float:
        """One pass over the training images after `done` steps; the mean loss."""
        self.module.train()
        total = torch.zeros((), device=self.device)
        for step, (images, targets) in enumerate(batches, done):
            self.scheduler.step_update(step)
            images = place(images, self.device, self.recipe.channels_last)
            targets = targets.to(self.device, non_blocking=True)
            if self.mixing is not None:
                images, targets = self.mixing(images, targets)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.amp):
                value = self.loss(images, targets, self.criterion)
            self.optimizer.zero_grad()
            # AdaHessian differentiates the gradient once more
            value.backward(create_graph=getattr(self.optimizer, "is_second_order", False))
            if self.recipe.clip_grad is not None:
                nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip_grad)
            self.optimizer.step()
            if self.average is not None:
                self.average.update(self.module, step + 1)
            total += value.detach()
        return (total / len(batches)).item()


def _score(
    module: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: torch.device, dataset: Dataset
) -> dict[str, Score]:
    """The task's metrics over all test images."""
    module.eval()
    evaluator = TASKS[dataset.task].evaluator(dataset.num_classes)
    with torch.inference_mode():
        for images, targets in batches:
            outputs = module(place(images, device))
            _check(outputs, len(images), dataset)
            tensors = outputs if isinstance(outputs, tuple) else (outputs,)
            if not all(torch.isfinite(one).all() for one in tensors if isinstance(one, Tensor)):
                raise RunError("the network's outputs are not finite; lower the learning rate")
            evaluator.add(outputs, targets.to(device))
    return evaluator.scores()


def _lacks(scores: Mapping[str, Score], metric: str) -> bool:
    return metric not in scores or math.isnan(scores[metric].value)


def _required(scores: dict[str, Score], dataset: Dataset) -> dict[str, Score]:
    """The scores; raises `RunError` where they lack what networks are compared by."""
    value = TASKS[dataset.task].value
    if _lacks(scores, value):
        raise RunError(
            f"data set {dataset.ref}: the test images that are scored give no {value}, as where all that is in them is "
            "ignored; test on images with something that counts"
        )
    return scores


def _check(outputs: Any, images: int, dataset: Dataset) -> None:
    try:
        TASKS[dataset.task].check(outputs, images, dataset.num_classes)
    except UsageError as error:
        raise UsageError(f"data set {dataset.ref}: {error}") from error
