"""What the networks of a sweep are for: data, recipe, space and objectives, from the names in a request."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from blockfront.errors import RunError, UsageError

if TYPE_CHECKING:
    from blockfront.design_space import Space
    from blockfront.results import Metric
    from blockfront.sweep.request import Request
    from blockfront.tasks import Task
    from blockfront.training import Dataset, Recipe

DEFAULT_DATASET = "fashion_mnist"
STAND_IN = "digits"
"""What networks are trained on where nobody names a data set and the default one cannot be had."""


class OtherData(UserWarning):
    """The default data set is not here and cannot be fetched."""


def choose_training(request: Request) -> tuple[Dataset | None, Recipe | None]:
    """The data set and the recipe; None for both without training.

    Raises UsageError for an unknown data set, recipe or weights, a value out of range or that does not suit the data,
    and a GPU to train on that is not there, RunError for weights that cannot be had.
    """
    from blockfront.training import choose_recipe
    from blockfront.training.optimizing import check_recipe
    from blockfront.training.pretrained import fetch_weights

    if not request.train:
        return None, None
    if request.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("--device cuda: torch finds no CUDA device here; leave --device out to use the processor")
    dataset = _dataset(request)
    changes = [*request.changes, *([] if request.epochs is None else [f"epochs={request.epochs}"])]
    _check_changes(changes)
    recipe = choose_recipe(request.recipe, dataset.ref, changes)
    check_recipe(recipe, dataset)
    if recipe.weights is not None:
        fetch_weights(recipe.weights)
    return dataset, recipe


_OF_TRAINING = {
    "--recipe": "recipe",
    "--set": "changes",
    "--epochs": "epochs",
    "--train-seeds": "train_seeds",
    "--keep": "keep",
    "--device": "device",
}
"""Options that say how networks are trained, and their fields of a request."""


def unheeded(request: Request) -> tuple[str, ...]:
    """What is to be told, in lines, of options for a training that there is not."""
    usual = type(request)()
    told = [name for name, field in _OF_TRAINING.items() if getattr(request, field) != getattr(usual, field)]
    if request.train or not told:
        return ()
    return (f"nothing is trained (--no-train), so that {', '.join(told)} change nothing",)


def _check_changes(changes: Sequence[str]) -> None:
    """Raise UsageError for two values of one field."""
    told: dict[str, str] = {}
    for change in changes:
        field = change.partition("=")[0]
        if told.setdefault(field, change) != change:
            raise UsageError(f"the recipe is told {told[field]} and {change}; leave one of the two out")


def _dataset(request: Request) -> Dataset:
    from blockfront.design_space import SPACES
    from blockfront.training import get_dataset

    own = SPACES[request.space].dataset if request.space in SPACES and not request.models else None
    if (ref := request.dataset or own) is not None:
        return get_dataset(ref, request.data_dir)
    try:
        return get_dataset(DEFAULT_DATASET, request.data_dir)
    except RunError as error:
        warnings.warn(f"{error}; networks are trained on {STAND_IN} instead", OtherData, stacklevel=2)
        return get_dataset(STAND_IN)


def choose_space(request: Request, dataset: Dataset | None) -> tuple[Space, tuple[str, ...]]:
    """The space, for the data set's input, task and outputs, and what is to be told of it, in lines.

    Raises UsageError for one that is for another task, and for models that are none.
    """
    from blockfront.design_space import list_networks
    from blockfront.design_space.image_size import ImageSize

    if request.models:
        return list_networks(request.models, ImageSize.asked(request.resolution, request.input, None))
    return _space_by_name(request, dataset), ()


def _space_by_name(request: Request, dataset: Dataset | None) -> Space:
    from blockfront.design_space import SPACES, load_space

    if dataset is None:
        return load_space(request.space, resolution=request.resolution)
    resolution = request.resolution
    if resolution is None and request.space in SPACES:
        # A space of the user's own says which resolutions it means.
        resolution = dataset.resolution
    space = load_space(request.space, resolution=resolution, num_classes=dataset.num_classes)
    if space.task not in (None, dataset.task):
        raise UsageError(
            f"space {space.name} is for {space.task}, data set {dataset.ref} for {dataset.task}; take two of one task"
        )
    return space.with_input(task=dataset.task)


def choose_objectives(request: Request, dataset: Dataset | None) -> tuple[str, ...]:
    """The columns that trials are told: the cost, and with training the value.

    Raises UsageError for an unknown metric, a cost that is to be large or is found by training, and a value that the
    task does not give, or not of these test images.
    """
    from blockfront.analysis import OBJECTIVES, Objectives
    from blockfront.tasks import TASKS

    task = None if dataset is None else TASKS[dataset.task]
    if task is None:
        if request.value is not None:
            raise UsageError(f"--value {request.value} comes of training, and there is none; leave one of the two out")
        chosen = Objectives(request.cost, OBJECTIVES.value)
    else:
        value = request.value or task.value
        if value not in task.metrics:
            raise UsageError(f"{task.name} gives no {value}; take --value {' or '.join(task.metrics)}")
        chosen = Objectives(request.cost, value)
    _check_cost(chosen.metrics[0], task)
    if dataset is not None and task is not None and chosen.value != task.value:
        _check_value(chosen.value, dataset, task)
    return (chosen.cost,) if task is None else (chosen.cost, chosen.value)


def _check_value(value: str, dataset: Dataset, task: Task) -> None:
    """Raise UsageError for a value that no test image of a data set gives, such as one of a size that no object has."""
    from blockfront.training import labels_of_tests

    reason = task.lacks(value, labels_of_tests(dataset))
    if reason is None:
        return
    others = [metric for metric in task.metrics if task.lacks(metric, labels_of_tests(dataset)) is None]
    advice = f"take --value {' or '.join(others)}" if others else "take other test images"
    raise UsageError(f"--value {value} cannot be had of the test images of {dataset.ref}: {reason}; {advice}")


def _check_cost(cost: Metric, task: Task | None) -> None:
    """Raise UsageError for a cost that networks have only once they are trained, when they are weighed already."""
    if cost.known_before_training:
        return
    if cost.found and task is not None and task.places != "boxes":
        raise UsageError(f"{task.name} gives no {cost.key}, which is of networks that find boxes; take another --cost")
    raise UsageError(
        f"--cost {cost.key} is what networks have once they are trained, and they are weighed before; leave it out, "
        f"and draw the front of those that are with: bench report STUDY --cost {cost.key}"
    )
