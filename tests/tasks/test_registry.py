"""What can be registered as a task, and what a task takes for targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from blockfront.errors import UsageError
from blockfront.tasks import TASKS, Evaluator, Task, Tasks


class Heights(Task):
    """Two numbers an image."""

    name = "heights"
    title = "two heights"
    tag = "h"
    metrics = ("top1",)

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        return (outputs - targets).square().mean()

    def evaluator(self, outputs: int) -> Evaluator:
        raise NotImplementedError


@pytest.fixture
def tasks() -> Tasks:
    found = Tasks("task")
    found.add("classification", TASKS["classification"])
    return found


def test_a_task_is_found_by_the_tag_of_a_networks_text(tasks: Tasks) -> None:
    tasks.add("heights", Heights())
    assert (tasks.of_tag("n"), tasks.of_tag("h")) == ("classification", "heights")


def test_an_unknown_tag_names_those_that_are_known(tasks: Tasks) -> None:
    with pytest.raises(UsageError, match=r"unknown tag of a task 'q'; known: n \(classification\)"):
        tasks.of_tag("q")


@pytest.mark.parametrize(("tag", "reason"), [("n", "of classification; choose"), ("R", "small"), ("r2", "small")])
def test_a_tag_that_a_text_could_not_be_read_by_is_refused(tasks: Tasks, tag: str, reason: str) -> None:
    task = Heights()
    task.tag = tag  # type: ignore[misc]
    with pytest.raises(UsageError, match=reason):
        tasks.add("heights", task)


@pytest.mark.parametrize(
    "labels",
    [[(1, 2), (3, 4)], [np.array([1.0, 2.0]), np.array([3, 4])], [torch.tensor([1, 2]), torch.tensor([3, 4])]],
)
def test_labels_of_any_kind_become_one_tensor(labels: list[object]) -> None:
    expected = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.equal(Heights().targets(labels, 2), expected)
    assert torch.equal(Heights().targets(torch.tensor([[1, 2], [3, 4]]), 2), expected)


def test_one_number_an_image_needs_no_dimension_of_its_own() -> None:
    assert torch.equal(Heights().targets([1, 2, 3], 1), torch.tensor([[1.0], [2.0], [3.0]]))
    assert torch.equal(TASKS["classification"].targets(torch.tensor([[2], [0]]), 5), torch.tensor([2, 0]))


@pytest.mark.parametrize("labels", [[(1, 2), (3,)], ["cat", "dog"], [1, 2], torch.zeros(4, 3)])
def test_labels_that_are_none_of_the_tasks_say_what_it_takes(labels: object) -> None:
    with pytest.raises(UsageError, match=r"^heights takes 2 numbers an image \(torch.float32\): .*\w"):
        Heights().targets(labels, 2)
    with pytest.raises(UsageError, match="classification takes one number an image"):
        TASKS["classification"].targets(["cat"], 2)
