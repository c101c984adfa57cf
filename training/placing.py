"""A network and batches of images on the device that computes, and the process as it was afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from blockfront.cores import usable_cores
from blockfront.errors import RunError, UsageError
from blockfront.tasks import TASKS
from blockfront.training.datasets import Dataset, Images, find_source
from blockfront.training.loaders import EVAL_BATCH, Loader, Views, evaluation_loader, shuffled, views_for
from blockfront.training.seeding import seeded


@dataclass(frozen=True)
class Feed:
    """A data set's images as they are, without augmentation, in batches on a network's device."""

    views: Views
    train_images: Images
    test_images: Images
    dataset: Dataset
    device: torch.device
    workers: int

    def training(self, batch_size: int = EVAL_BATCH, limit: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Training images in random order, all or `limit` of them: (images (N, 3, R, R), targets (N, ...))."""
        return self._batches(shuffled(self.train_images, limit), batch_size)

    def test(self, batch_size: int = EVAL_BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """Test images in order."""
        return self._batches(self.test_images, batch_size)

    def criterion(self, label_smoothing: float = 0.0) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """What the task minimises, from outputs (N, outputs) and targets (N, ...)."""
        return partial(TASKS[self.dataset.task].loss, label_smoothing=label_smoothing)

    def _batches(self, images: Images, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        loader: Loader = evaluation_loader(
            images,
            self.train_images,
            self.views,
            self.dataset.targets,
            task=TASKS[self.dataset.task],
            batch_size=batch_size,
            workers=self.workers,
        )
        for batch, targets in loader:
            yield place(batch, self.device), targets.to(self.device, non_blocking=True)


@contextmanager
def fed(
    module: nn.Module,
    dataset: Dataset,
    *,
    resolution: int | None = None,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    workers: int = 0,
    amp: bool = False,
) -> Iterator[Feed]:
    """`module` on the device meanwhile, and the data set's images there; arguments as in `train`.

    With `amp` what runs inside computes in bfloat16 where torch's autocast does. Raises `UsageError` for a device that
    is not there, `RunError` when memory runs out or an image cannot be read.
    """
    where = choose_device(device)
    views = choose_views(module, dataset, resolution, workers)
    with prepared(module, where, threads, seed), torch.autocast(where.type, torch.bfloat16, enabled=amp):
        train_images, test_images = find_source(dataset.ref).open(dataset)
        yield Feed(views, train_images, test_images, dataset, where, workers)


def place(images: Tensor, device: torch.device, channels_last: bool = True) -> Tensor:
    """A batch on the device, channels last or in torch's order."""
    return images.to(device, memory_format=_order(channels_last), non_blocking=True)


def _order(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


def choose_device(name: str) -> torch.device:
    """The torch device behind auto, cpu, cuda or cuda:N; raises `UsageError` when this machine lacks it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device {name!r}; take auto, cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r} is not supported; take auto, cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"this machine has no {name}; take --device cpu, or auto")
    return device


def choose_views(module: nn.Module, dataset: Dataset, resolution: int | None, workers: int) -> Views:
    """How images of a data set reach a network; raises `UsageError` for a number that cannot be."""
    if resolution is not None and resolution < 1:
        raise UsageError(f"resolution must be 1 or more, not {resolution}")
    if workers < 0:
        raise UsageError(f"workers must be 0 or more, not {workers}")
    return views_for(module, dataset.resolution if resolution is None else resolution, dataset.levels)


@contextmanager
def prepared(
    module: nn.Module, device: torch.device, threads: int, seed: int, *, channels_last: bool = True
) -> Iterator[None]:
    """The module on the device in channels-last order, or torch's, with one seed and `threads` threads, for a while.

    Raises `UsageError` for more threads than there are cores, and `RunError` where the device's memory does not do.
    What fails in a process that loads pictures is raised as it was there.
    """
    cores = usable_cores()
    if not 1 <= threads <= cores:
        raise UsageError(f"threads must be from 1 to {cores}, the usable cores of this machine, not {threads}")
    first = next(module.parameters(), None)
    home = torch.device("cpu") if first is None else first.device
    training = module.training
    try:
        with seeded(seed, threads):
            # on a CPU about a third faster than channels-first
            module.to(device=device, memory_format=_order(channels_last))  # type: ignore[call-overload]
            yield
    except (RunError, UsageError) as error:
        # a loading process hands its error over as a traceback, whose last line is the message
        *traceback, message = str(error).splitlines()
        if not traceback:
            raise
        kind = RunError if isinstance(error, RunError) else UsageError
        raise kind(message.partition(f"{kind.__name__}: ")[2] or message) from error
    except torch.OutOfMemoryError as error:
        raise RunError(f"out of memory on {device}; take a smaller batch size or resolution") from error
    finally:
        module.to(device=home, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        module.train(training)
