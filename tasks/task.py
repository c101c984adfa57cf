"""What a task is: the contract between data, network and accuracy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from blockfront.errors import UsageError, first_line, unknown
from blockfront.plurals import counted
from blockfront.registry import Registry
from blockfront.results import Score


class Evaluator(Protocol):
    """Counts, batch by batch, how well outputs fit what the data set says."""

    def add(self, outputs: Any, targets: Tensor) -> None:
        """Count a batch of finite outputs; both are on one device."""

    def scores(self) -> dict[str, Score]:
        """Every metric of the task over all batches, with its interval over the test images."""


@runtime_checkable
class PairedEvaluator(Evaluator, Protocol):
    """One that can be compared with another that saw other outputs of the same images, in the same order."""

    def drop(self, other: Any) -> Score:
        """How much less of the task's first metric the other has.

        Its interval is over the images, each of which counts for both.
        """


class Task(ABC):
    """One task; an entry of `TASKS` is an instance.

    `tag`, of small letters, stands before the number of outputs in a network's text, such as `n` in `n10`. `metrics`
    are the columns that its evaluator fills (see `blockfront.results.score_columns`); the first of them is the value
    that networks are compared by. `dtype` is that of targets; `fewest` outputs make sense. A network of a task gives
    (N, outputs) float32 from (N, channels, height, width) images, unless its `check` says otherwise. Where targets say
    `places` in the picture, such as "boxes" or "pixels", pictures are stretched to the input whole, and mirrored only
    with their targets; networks must name the same.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    tag: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    dtype: ClassVar[torch.dtype] = torch.float32
    fewest: ClassVar[int] = 1
    places: ClassVar[str] = ""

    @property
    def value(self) -> str:
        """The metric that networks of this task are compared by."""
        return self.metrics[0]

    def target_shape(self, outputs: int) -> tuple[int, ...]:
        """The shape of what a data set says of one image: by default a number for each output."""
        return (outputs,)

    def targets(self, values: Sequence[Any] | Tensor, outputs: int) -> Tensor:
        """What a data set says of the images of a batch as one tensor (N, *target_shape).

        `values` are one an image, in a sequence or a tensor; a shape may lack or have more dimensions of length one.
        Raises `UsageError` for what is no target of this task.
        """
        shape = self.target_shape(outputs)
        try:
            if isinstance(values, Tensor):
                found = values.to(self.dtype)
            else:
                found = torch.stack([torch.as_tensor(value, dtype=self.dtype) for value in values])
            if [length for length in found.shape[1:] if length > 1] != [length for length in shape if length > 1]:
                raise ValueError(f"these have the shape {tuple(found.shape[1:])}")
            return found.reshape(len(found), *shape)
        except (TypeError, ValueError, RuntimeError) as error:
            wanted = f"{'×'.join(map(str, shape))} numbers" if shape else "one number"
            raise UsageError(f"{self.name} takes {wanted} an image ({self.dtype}): {first_line(error)}") from error

    def fitted(self, values: Sequence[Any] | Tensor, resolution: int) -> Sequence[Any] | Tensor:
        """What a data set says of some images, of these images stretched to so many pixels each way.

        It is what `targets` takes; by default, which is for what does not depend on pixels, the same.
        """
        return values

    def check(self, outputs: Any, images: int, wanted: int) -> None:
        """Raise `UsageError` for outputs that no network with `wanted` outputs gives for so many images."""
        if outputs.shape != (images, wanted):
            raise UsageError(
                f"the network gives outputs of shape {tuple(outputs.shape)} for {counted(images, 'image')}, not "
                f"({images}, {wanted}); build it with num_classes={wanted}"
            )

    def lacks(self, metric: str, labels: Iterable[Any]) -> str | None:
        """Why no image of which a data set says this gives a metric, in words; None where one does.

        By default, which is for metrics that any image gives, None.
        """
        return None

    def mirrored(self, targets: Tensor) -> Tensor:
        """The targets (N, ...) of images that are mirrored; by default, which is for tasks without places, the same."""
        return targets

    @abstractmethod
    def loss(self, outputs: Any, targets: Tensor, label_smoothing: float) -> Tensor:
        """The mean loss of a batch, a scalar. `label_smoothing` is the recipe's, for targets that are classes."""

    @abstractmethod
    def evaluator(self, outputs: int) -> Evaluator:
        """An empty evaluator for networks with so many outputs."""

    @property
    def postprocess(self) -> nn.Module | None:
        """What turns outputs into answers on the device, compiled and timed with the network; None for nothing."""
        return None


class Tasks(Registry[Task]):
    """The registry of tasks, which looks them up by the tag of a network's text as well."""

    def add(self, name: str, item: Task) -> Task:
        """Register a task; raises `UsageError` for a name or a tag that is taken, and for a tag of anything else than
        small letters."""
        if not (item.tag.isascii() and item.tag.isalpha() and item.tag.islower()):
            raise UsageError(f"task {name!r} has the tag {item.tag!r}; give it one of small letters, such as r")
        for known, task in self.items():
            if task.tag == item.tag and known != name:
                raise UsageError(f"task {name!r} has the tag {item.tag!r} of {known}; choose another")
        return super().add(name, item)

    def of_tag(self, tag: str) -> str:
        """The name of the task with this tag; raises `UsageError` for one that no task has."""
        tags = {task.tag: name for name, task in self.items()}
        if tag not in tags:
            listing = ", ".join(f"{known} ({name})" for known, name in tags.items())
            raise unknown("tag of a task", tag, sorted(tags), otherwise=f"known: {listing}")
        return tags[tag]


TASKS = Tasks("task")
