"""What a task is: the contract between data, network and accuracy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from torch import Tensor, nn

from blockfront.registry import Registry
from blockfront.results import Score


class Evaluator(Protocol):
    """Counts, batch by batch, how well outputs fit what the data set says."""

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Count a batch; both are on one device. Raises `RunError` for outputs that are not finite."""

    def scores(self) -> dict[str, Score]:
        """Every metric of the task over all batches, with its interval over the test images."""


class Task(ABC):
    """One task; an entry of `TASKS` is an instance.

    `tag` stands before the number of outputs in a network's text, such as `n` in `n10`. `metrics` are the columns that
    its evaluator fills (see `blockfront.results.score_columns`); the first of them is the value that networks are
    compared by. A network of a task gives (N, outputs) float32 from (N, channels, height, width) images.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    tag: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]

    @property
    def value(self) -> str:
        """The metric that networks of this task are compared by."""
        return self.metrics[0]

    @abstractmethod
    def targets(self, values: list[object]) -> Tensor:
        """What a data set says of each image of a batch, as one tensor (N, ...)."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        """The mean loss of a batch, a scalar."""

    @abstractmethod
    def evaluator(self, outputs: int) -> Evaluator:
        """An empty evaluator for networks with so many outputs."""

    @property
    def postprocess(self) -> nn.Module | None:
        """What turns outputs into answers on the device, compiled and timed with the network; None for nothing."""
        return None


TASKS: Registry[Task] = Registry("task")
