"""Train a network on a data set, or evaluate it: any module that gives (N, outputs) from (N, 3, R, R)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from torch import Tensor, nn
from torch.optim import Optimizer

from blockfront.errors import RunError, UsageError
from blockfront.results import Score, Training
from blockfront.tasks import TASKS
from blockfront.training.datasets import Dataset, find_source
from blockfront.training.loaders import Loader, evaluation_loader, train_loader
from blockfront.training.placing import Feed, choose_device, choose_views, fed, place, prepared
from blockfront.training.recipe import Recipe

LOWEST_LR = 0.01
"""Where warm-up starts and decay ends, as a share of the recipe's learning rate."""

OnEpoch = Callable[[int, int, float], None]
Criterion = Callable[[Tensor, Tensor], Tensor]
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
) -> Training:
    """Train `module` in place and return its scores on the test images after the last epoch.

    `resolution` is the input size in pixels, the data set's own by default. `device` is auto (CUDA where
    there is one), cpu, or cuda. On a CPU the same module, seed and threads give the same result in any
    process; build the module under `seeded(seed)` so that its initial weights repeat too. `workers` more
    processes load pictures. `loss(images, targets, criterion)` gives what is minimised, where that is more than
    the task's `criterion(outputs, targets)`, such as losses of auxiliary heads. `on_epoch(epoch, epochs, value)` is
    called after each epoch, counted from 1, with the task's first metric. The process's threads and random generators,
    and the module's device and mode, are restored. Raises `UsageError` for a device that is not there, a module with
    another number of outputs and labels that are none of the task's, `RunError` when training diverges, memory runs
    out or an image cannot be read.
    """
    where = choose_device(device)
    start = time.perf_counter()
    views = choose_views(module, dataset, resolution, workers)
    with prepared(module, where, threads, seed):
        source = find_source(dataset.ref)
        train_images, test_images = source.open(dataset)
        loss = loss or (lambda images, targets, criterion: criterion(module(images), targets))
        batches = train_loader(
            train_images, views, recipe, dataset.targets, flip=source.flip, moves=source.moves, workers=workers
        )
        tests = evaluation_loader(test_images, train_images, views, dataset.targets, workers=workers)
        optimizer = _optimizer(module, recipe)
        scheduler = _scheduler(optimizer, recipe, len(batches))
        curve: list[float] = []
        scores: dict[str, Score] = {}
        value = TASKS[dataset.task].value
        for epoch in range(recipe.epochs):
            done = epoch * len(batches)
            mean = _train_epoch(module, loss, batches, optimizer, scheduler, recipe, where, done, dataset)
            if not math.isfinite(mean):
                raise RunError(
                    f"training diverged in epoch {epoch + 1} of {recipe.epochs} (loss is {mean}); "
                    f"lower the learning rate ({recipe.lr:g})"
                )
            scores = _score(module, tests, where, dataset)
            curve.append(scores[value].value)
            if on_epoch is not None:
                on_epoch(epoch + 1, recipe.epochs, curve[-1])
    return Training(
        scores=scores,
        test_images=dataset.test_images,
        curve=tuple(curve),
        dataset=dataset.ref,
        recipe_hash=recipe.hash,
        epochs=recipe.epochs,
        source="trained",
        seconds=time.perf_counter() - start,
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


def score(module: nn.Module, feed: Feed) -> dict[str, Score]:
    """The task's metrics of a module on the feed's device, over all test images; raises `RunError` and `UsageError`."""
    return _score(module, feed.test(), feed.device, feed.dataset)


def _optimizer(module: nn.Module, recipe: Recipe) -> Optimizer:
    try:
        return create_optimizer_v2(
            module, recipe.optimizer, lr=recipe.lr, weight_decay=recipe.weight_decay, momentum=recipe.momentum
        )
    except (AssertionError, ImportError) as error:
        raise UsageError(f"optimizer {recipe.optimizer!r} does not work here: {error}") from error


def _scheduler(optimizer: Optimizer, recipe: Recipe, steps: int) -> Scheduler:
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


def _train_epoch(
    module: nn.Module,
    loss: Loss,
    batches: Loader,
    optimizer: Optimizer,
    scheduler: Scheduler,
    recipe: Recipe,
    device: torch.device,
    done: int,
    dataset: Dataset,
) -> float:
    """One pass over the training images after `done` steps; the mean loss."""
    module.train()
    total = torch.zeros((), device=device)
    task = TASKS[dataset.task]

    def criterion(outputs: Tensor, targets: Tensor) -> Tensor:
        _check_outputs(outputs, len(targets), dataset)
        return task.loss(outputs, targets, recipe.label_smoothing)

    for step, (images, targets) in enumerate(batches):
        scheduler.step_update(done + step)
        with torch.autocast("cuda", torch.bfloat16, enabled=recipe.amp and device.type == "cuda"):
            value = loss(place(images, device), targets.to(device, non_blocking=True), criterion)
        optimizer.zero_grad()
        # AdaHessian differentiates the gradient once more
        value.backward(create_graph=getattr(optimizer, "is_second_order", False))
        if recipe.clip_grad is not None:
            nn.utils.clip_grad_norm_(module.parameters(), recipe.clip_grad)
        optimizer.step()
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
            _check_outputs(outputs, len(images), dataset)
            if not torch.isfinite(outputs).all():
                raise RunError("the network's outputs are not finite; lower the learning rate")
            evaluator.add(outputs, targets.to(device))
    return evaluator.scores()


def _check_outputs(outputs: Tensor, images: int, dataset: Dataset) -> None:
    if outputs.shape != (images, dataset.num_classes):
        raise UsageError(
            f"the network gives outputs of shape {tuple(outputs.shape)} for {images} images of "
            f"{dataset.ref}, not ({images}, {dataset.num_classes}); "
            f"build it with num_classes={dataset.num_classes}"
        )
