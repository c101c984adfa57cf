"""What the user asks of a sweep."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.errors import UsageError, unknown
from blockfront.study.storage import DEFAULT_STORAGE
from blockfront.sweep.keeping import KEEP
from blockfront.sweep.quantizing import QUANTIZE

if TYPE_CHECKING:
    from blockfront.targets import Asked

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Request:
    """Options of `bench sample`, with their defaults. `n` is the study's total number of networks, `cooldown` the
    seconds a device rests before each visit; `value` is the task's first metric by default, `dataset` Fashion-MNIST.
    `changes` are those of single fields of the recipe, such as `lr=0.1`; `epochs` is one more. Each network is trained
    `train_seeds` times, with `seed` and those after it; `keep` says whose weights stay: of the front, all or none. With
    `models`, names of known networks as `list_networks` takes them, the study grows by those that it lacks, at the size
    `input` (such as 1x224x320) or their own, whatever `n` and `space` are.

    `precision` is the toolchain's first by default. Networks of precision int8 are trained in float32; `quantize` says
    how they become int8 then, one of `QUANTIZE`.
    `budget` is "front", to stop trainings of networks that cannot reach the front, or a number of epochs in all.
    `prune` is the AP that trained detectors may lose with some of their anchors: what a search leaves of each is a
    network more, beyond `n`.
    `pair` draws a skeleton at a time, with each family's block put into it: `n` is rounded up to whole groups.

    Limits are in minutes a network: `profile_minutes` for compiling and timing, `train_minutes` for training.
    """

    n: int = 20
    target: str = "host"
    space: str = "mobile"
    models: tuple[str, ...] = ()
    input: str | None = None
    dataset: str | None = None
    data_dir: str | None = None
    resolution: int | None = None
    recipe: str = "quick"
    changes: tuple[str, ...] = ()
    epochs: int | None = None
    train_seeds: int = 1
    budget: str | None = None
    prune: float | None = None
    keep: str = "front"
    cost: str = "latency_ms"
    value: str | None = None
    device: str = "auto"
    train: bool = True
    toolchain: str = "auto"
    precision: str | None = None
    quantize: str = "ptq"
    runner: str = "auto"
    tracker: str | None = None
    threads: int | None = None
    cooldown: float = 0
    tuned: bool = False
    database: str | Path | None = None
    workers: int | None = None
    scheduler: str | None = None
    storage: str = DEFAULT_STORAGE
    study: str | None = None
    seed: int = 0
    sampler: str = "random"
    pair: bool = False
    profile_minutes: float = 20
    train_minutes: float = 24 * 60


def make_request(**options: Any) -> Request:
    """A request from options by name; UsageError with the nearest names for one that there is not."""
    known = [option.name for option in fields(Request)]
    for name in options:
        if name not in known:
            raise unknown("option", name, known)
    return Request(**options)


def asked_of(request: Request) -> Asked:
    """What is asked for a latency. Raises UsageError for hardware that there is not, and for tuned kernels likewise."""
    from blockfront.targets import Asked, find_hardware
    from blockfront.targets.tuning.database import find_traces

    return Asked(
        find_hardware(request.target),
        request.threads,
        request.precision,
        request.tracker,
        request.cooldown,
        find_traces(request.tuned, request.database),
    )


def check_numbers(request: Request) -> None:
    """Raises `UsageError` for an option outside its range, or none of its choices."""
    for option, value, least in (
        ("--n", request.n, 1),
        ("--resolution", request.resolution, 1),
        ("--epochs", request.epochs, 1),
        ("--workers", request.workers, 1),
        ("--seed", request.seed, 0),
        ("--train-seeds", request.train_seeds, 1),
    ):
        if value is not None and value < least:
            raise UsageError(f"{option} must be {least} or more, not {value}")
    for option, minutes in (("profile", request.profile_minutes), ("train", request.train_minutes)):
        if not minutes > 0:
            raise UsageError(f"--{option}-minutes must be above 0, not {minutes:g}")
    if request.device not in DEVICES:
        raise UsageError(f"unknown device {request.device!r}; known: {', '.join(DEVICES)}")
    if request.quantize not in QUANTIZE:
        raise unknown("choice of --quantize", request.quantize, QUANTIZE)
    if request.keep not in KEEP:
        raise unknown("choice of --keep", request.keep, KEEP)
