"""What the user asks of a sweep, and its check: names become things, and every wrong one is told here.

Nothing is written before `resolve` and `blockfront.sweep.drawing.draw_networks` have passed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.cores import usable_cores
from blockfront.errors import UsageError, unknown
from blockfront.plurals import counted
from blockfront.python_file import is_file_reference
from blockfront.results import Result, scored
from blockfront.study.settings import Settings
from blockfront.study.storage import DEFAULT_STORAGE, storage_exists
from blockfront.sweep.aims import choose_objectives, choose_space, choose_training
from blockfront.sweep.anchor_search import check_prune
from blockfront.sweep.budget import check_budget
from blockfront.sweep.keeping import KEEP
from blockfront.sweep.postprocessing import NO_CODE, means_of_boxes
from blockfront.sweep.quantizing import INT8, QAT, QUANTIZE, check_quantize
from blockfront.sweep.samplers import SAMPLERS

if TYPE_CHECKING:
    from blockfront.design_space import Space
    from blockfront.targets import Asked, Means
    from blockfront.training import Dataset, Recipe

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


@dataclass(frozen=True)
class SweepPlan:
    """A checked request: the things its names stand for, and the settings its study must have.

    `means` give each network its latency; `devices` is how many networks are measured at once. `notes` are lines that
    the user is to be told.
    """

    request: Request
    study: str
    space: Space
    dataset: Dataset | None
    recipe: Recipe | None
    means: Means
    settings: Settings
    workers: int
    devices: int
    notes: tuple[str, ...] = ()

    @property
    def exclusive(self) -> bool:
        """Whether a measurement must have the processor or the device to itself."""
        return self.means.measures is not None

    @property
    def boxes(self) -> Means | None:
        """By which post-processing of detectors is timed; None for networks of other tasks, and where it cannot be."""
        return means_of_boxes(self.means) if _finds_boxes(self.dataset) else None

    def lacks_boxes(self, result: Result) -> bool:
        """Whether a detector's post-processing is still to be timed."""
        return self.boxes is not None and result.candidates is not None and result.postprocess is None

    @property
    def quiet(self) -> bool:
        """Whether this machine is measured, so that nothing else may run on it meanwhile."""
        return self.means.measures is not None and self.means.measures.here

    @property
    def files(self) -> tuple[str, ...]:
        """The user's own files that networks may need, as absolute paths, which mean the same in a worker."""
        refs = [self.request.space, *([self.dataset.ref] if self.dataset else [])]
        paths = (Path(ref.rpartition(":")[0]).resolve() for ref in refs if is_file_reference(ref))
        return tuple(dict.fromkeys(map(str, paths)))

    @property
    def threads_per_worker(self) -> int:
        """Threads of torch, BLAS and TVM in each worker, so that all together fit the cores."""
        return 1 if self.request.scheduler else max(1, usable_cores() // self.workers)

    @property
    def tvm_threads(self) -> int:
        """Threads that TVM's pool in a worker must be able to have: a measurement here uses the target's."""
        options = self.means.options
        return max(self.threads_per_worker, options.target.pool_threads(options.threads) if self.quiet else 0)

    @property
    def profile_seconds(self) -> float:
        """Limit of each task of the profile stage."""
        return self.request.profile_minutes * 60

    @property
    def train_seconds(self) -> float:
        """Limit of one training."""
        return self.request.train_minutes * 60


def make_request(**options: Any) -> Request:
    """A request from options by name; UsageError with the nearest names for one that there is not."""
    known = [option.name for option in fields(Request)]
    for name in options:
        if name not in known:
            raise unknown("option", name, known)
    return Request(**options)


def resolve(request: Request, means: Means | None = None) -> SweepPlan:
    """Check a request; raises UsageError, naming what to correct, for the first thing wrong in it.

    `means` are those that give the latencies, where they are known before; else `choose` finds them.
    """
    from blockfront.targets import choose
    from blockfront.targets.tuning.database import traces_hash
    from blockfront.tasks import TASKS

    _check_numbers(request)
    SAMPLERS[request.sampler]
    storage_exists(request.storage)
    means = means or choose(asked_of(request), request.toolchain, request.runner)
    options = means.options
    target = options.target
    # Last, because it may fetch data.
    dataset, recipe = choose_training(request)
    space, notes = choose_space(request, dataset)
    if request.pair:
        request, notes = _whole_groups(request, space, notes)
    if dataset and options.precision == "float16":
        notes = (*notes, "accuracies are those of float32: what float16 rounds is compared with torch, and not scored")
    if _finds_boxes(dataset) and means_of_boxes(means) is None:
        notes = (*notes, NO_CODE.format(target.name))
    settings = Settings(
        space=space.name,
        space_hash=space.hash,
        space_definition=space.definition(),
        target=target.name,
        target_definition=target.definition(),
        runner=means.meter.name,
        toolchain=means.toolchain.name,
        precision=options.precision,
        threads=options.threads,
        dataset=dataset.ref if dataset else None,
        dataset_fingerprint=dataset.fingerprint if dataset else None,
        recipe=msgspec.to_builtins(recipe) if recipe else None,
        recipe_hash=recipe.hash if recipe else None,
        seed=request.seed,
        sampler=request.sampler,
        tuned=None if options.tuned is None else traces_hash(options.tuned),
        core_model=means.prediction.model if means.prediction else None,
        task=dataset.task if dataset else None,
        objectives=choose_objectives(request, dataset),
        scores=scored(TASKS[dataset.task].metrics) if dataset else (),
        train_seeds=request.train_seeds,
        quantize=check_quantize(request.quantize, options.precision, dataset),
        paired=request.pair,
        budget=_budget(request, options.precision, dataset, recipe),
        prune=check_prune(request, space, options.precision, dataset),
    )
    return SweepPlan(
        request=request,
        study=request.study or _study_name(space.name, target.name, options.precision, request),
        space=space,
        dataset=dataset,
        recipe=recipe,
        means=means,
        settings=settings,
        workers=_workers(request),
        devices=means.measures.devices(options) if means.measures else 1,
        notes=notes,
    )


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


def _study_name(space: str, target: str, form: str, request: Request) -> str:
    precision = "" if form == "float32" else f"-{form}"
    precision += "-qat" if form == INT8 and request.quantize == QAT else ""
    threads = f"-t{request.threads}" if request.models and request.threads else ""
    more = [name for name, asked in (("pairs", request.pair), ("pruned", request.prune is not None)) if asked]
    return "-".join([f"{space}-{target}{precision}{threads}{'-tuned' if request.tuned else ''}", *more])


def _budget(request: Request, form: str, dataset: Dataset | None, recipe: Recipe | None) -> str | None:
    from blockfront.tasks import TASKS

    if request.budget is not None and form == INT8:
        raise UsageError(
            "--budget trains what can reach the front, and int8 networks are trained before their latency is known; "
            "leave one of the two out"
        )
    watched = dataset is None or request.value in (None, TASKS[dataset.task].value)
    return check_budget(request.budget, request.n, recipe.epochs if recipe else None, request.train_seeds, watched)


def _finds_boxes(dataset: Dataset | None) -> bool:
    from blockfront.tasks import DETECTION

    return dataset is not None and dataset.task == DETECTION


def _whole_groups(request: Request, space: Space, notes: tuple[str, ...]) -> tuple[Request, tuple[str, ...]]:
    """The request for whole groups of networks with one skeleton, and the notes with a line where it is another."""
    if request.sampler != "random":
        raise UsageError(f"--pair draws networks by seed, and sampler {request.sampler} chooses them; leave one out")
    families = len(space.families)
    if families < 2:
        raise UsageError(f"space {space.name} has no families to put into one skeleton; leave --pair out")
    whole = -(-request.n // families) * families
    if whole == request.n:
        return request, notes
    groups = f"groups of {counted(families, 'family')} each, one skeleton a group"
    note = f"{counted(whole, 'network')} instead of {request.n}: {groups}"
    return replace(request, n=whole), (*notes, note)


def _check_numbers(request: Request) -> None:
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


def _workers(request: Request) -> int:
    cores = usable_cores()
    if request.scheduler is None and request.workers is not None and request.workers > cores:
        raise UsageError(f"--workers {request.workers}: this machine has {counted(cores, 'usable core')}")
    return request.workers or cores
