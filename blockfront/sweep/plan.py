"""A checked request: names become things, and every wrong one is told here.

Nothing is written before `resolve` and `blockfront.sweep.drawing.draw_networks` have passed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from blockfront.cores import usable_cores
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.python_file import is_file_reference
from blockfront.results import Result, scored
from blockfront.study.settings import Settings
from blockfront.study.storage import storage_exists
from blockfront.sweep.aims import choose_objectives, choose_space, choose_training, unheeded
from blockfront.sweep.anchor_search import check_prune
from blockfront.sweep.budget import check_budget
from blockfront.sweep.postprocessing import NO_CODE, means_of_boxes
from blockfront.sweep.quantizing import INT8, QAT, check_quantize
from blockfront.sweep.request import asked_of, check_numbers
from blockfront.sweep.samplers import SAMPLERS

if TYPE_CHECKING:
    from blockfront.design_space import Space
    from blockfront.sweep.request import Request
    from blockfront.targets import Means
    from blockfront.training import Dataset, Recipe


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


def resolve(request: Request, means: Means | None = None) -> SweepPlan:
    """Check a request; raises UsageError, naming what to correct, for the first thing wrong in it.

    `means` are those that give the latencies, where they are known before; else `choose` finds them.
    """
    from blockfront.targets import choose
    from blockfront.targets.tuning.database import traces_hash
    from blockfront.tasks import TASKS

    check_numbers(request)
    SAMPLERS[request.sampler]
    storage_exists(request.storage)
    means = means or choose(asked_of(request), request.toolchain, request.runner)
    options = means.options
    target = options.target
    # Last, because it may fetch data.
    dataset, recipe = choose_training(request)
    space, notes = choose_space(request, dataset)
    notes = (*notes, *unheeded(request))
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
        study=request.study or _study_name(space.name, means, request),
        space=space,
        dataset=dataset,
        recipe=recipe,
        means=means,
        settings=settings,
        workers=_workers(request),
        devices=means.measures.devices(options) if means.measures else 1,
        notes=notes,
    )


def _study_name(space: str, means: Means, request: Request) -> str:
    form, target = means.options.precision, means.options.target.name
    precision = "" if form == "float32" else f"-{form}"
    precision += "-qat" if form == INT8 and request.quantize == QAT else ""
    threads = f"-t{request.threads}" if request.models and request.threads else ""
    more = [] if means.is_usual_toolchain else [means.toolchain.name]
    more += [name for name, asked in (("pairs", request.pair), ("pruned", request.prune is not None)) if asked]
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
    from blockfront.tasks import TASKS

    return dataset is not None and TASKS[dataset.task].places == "boxes"


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


def _workers(request: Request) -> int:
    cores = usable_cores()
    if request.scheduler is None and request.workers is not None and request.workers > cores:
        raise UsageError(f"--workers {request.workers}: this machine has {counted(cores, 'usable core')}")
    return request.workers or cores
