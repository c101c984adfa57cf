"""What the user asks of a sweep, and its check: names become things, and every wrong one is told here.

Nothing is written before `resolve` and `blockfront.sweep.drawing.draw_networks` have passed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.errors import UsageError, unknown
from blockfront.python_file import is_file_reference
from blockfront.results import scored
from blockfront.study.provenance import usable_cores
from blockfront.study.settings import Settings
from blockfront.study.storage import DEFAULT_STORAGE, storage_exists
from blockfront.sweep.aims import choose_objectives, choose_space, choose_training
from blockfront.sweep.samplers import SAMPLERS

if TYPE_CHECKING:
    from blockfront.design_space import Space
    from blockfront.targets import Options, RunOptions
    from blockfront.training import Dataset, Recipe

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Request:
    """Options of `bench sample`, with their defaults. `n` is the study's total number of networks, `cooldown` the
    seconds a device rests before each visit; `value` is the task's first metric by default.

    Limits are in minutes a network: `profile_minutes` for compiling and timing, `train_minutes` for training.
    """

    n: int = 20
    target: str = "host"
    space: str = "mobile"
    dataset: str = "digits"
    data_dir: str | None = None
    resolution: int | None = None
    epochs: int | None = None
    cost: str = "latency_ms"
    value: str | None = None
    device: str = "auto"
    train: bool = True
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
    profile_minutes: float = 20
    train_minutes: float = 24 * 60


@dataclass(frozen=True)
class SweepPlan:
    """A checked request: the things its names stand for, and the settings its study must have.

    `devices` is how many networks are measured at once; `notice` is a line the user should see, such as that no board
    is attached.
    """

    request: Request
    study: str
    space: Space
    dataset: Dataset | None
    recipe: Recipe | None
    options: Options
    settings: Settings
    workers: int
    devices: int
    notice: str | None

    @property
    def exclusive(self) -> bool:
        """Whether a measurement must have the processor or the device to itself."""
        from blockfront.targets import RUNNERS

        return bool(RUNNERS[self.settings.runner].exclusive)

    @property
    def quiet(self) -> bool:
        """Whether this machine is measured, so that nothing else may run on it meanwhile."""
        from blockfront.targets import RUNNERS

        return bool(RUNNERS[self.settings.runner].here)

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
        from blockfront.targets import RunOptions

        measuring = self.quiet and isinstance(self.options, RunOptions) and not self.options.target.is_gpu
        return max(self.threads_per_worker, self.options.threads if measuring else 1)

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


def resolve(request: Request) -> SweepPlan:
    """Check a request; raises UsageError, naming what to correct, for the first thing wrong in it."""
    from blockfront.targets import RUNNERS, RunOptions
    from blockfront.targets.tuning.database import traces_hash
    from blockfront.tasks import TASKS

    _check_numbers(request)
    SAMPLERS[request.sampler]
    storage_exists(request.storage)
    dataset, recipe = choose_training(request)
    space = choose_space(request, dataset)
    runner, options, notice = choose_means(
        request.target,
        request.runner,
        request.tracker,
        request.threads,
        request.tuned,
        request.database,
        request.cooldown,
    )
    target = options.target
    settings = Settings(
        space=space.name,
        space_hash=space.hash,
        space_definition=space.definition(),
        target=target.name,
        target_definition=msgspec.json.decode(msgspec.json.encode(target)),
        runner=runner,
        threads=options.threads,
        dataset=dataset.ref if dataset else None,
        dataset_fingerprint=dataset.fingerprint if dataset else None,
        recipe=msgspec.to_builtins(recipe) if recipe else None,
        recipe_hash=recipe.hash if recipe else None,
        seed=request.seed,
        sampler=request.sampler,
        tuned=traces_hash(options.tuned) if isinstance(options, RunOptions) and options.tuned is not None else None,
        core_model=prediction.model if (prediction := RUNNERS[runner].prediction(options)) else None,
        task=dataset.task if dataset else None,
        objectives=choose_objectives(request, dataset),
        scores=scored(TASKS[dataset.task].metrics) if dataset else (),
    )
    return SweepPlan(
        request=request,
        study=request.study or f"{space.name}-{target.name}{'-tuned' if request.tuned else ''}",
        space=space,
        dataset=dataset,
        recipe=recipe,
        options=options,
        settings=settings,
        workers=_workers(request),
        devices=RUNNERS[runner].devices(options),
        notice=notice,
    )


def choose_means(
    target: str,
    runner: str,
    tracker: str | None,
    threads: int | None,
    tuned: bool = False,
    database: str | Path | None = None,
    cooldown: float = 0,
) -> tuple[str, Options, str | None]:
    """`choose_measurement` for a target that networks are compiled for; for an accelerator the simulation.

    Raises UsageError as that does, and for an accelerator whose files are broken, without the simulator installed, and
    with an option that a simulation has no use for.
    """
    from blockfront.targets import Accelerator, find_hardware, simulation_options

    found = find_hardware(target)
    if not isinstance(found, Accelerator):
        return choose_measurement(target, runner, tracker, threads, tuned, database, cooldown)
    if runner not in ("auto", "simulated"):
        raise UsageError(f"{found.name} is an accelerator, which only the runner simulated serves, not {runner}")
    for option, given in (
        ("--tracker", tracker is not None),
        ("--threads", threads not in (None, 1)),
        ("--tuned", tuned),
        ("--database", database is not None),
        ("--cooldown", cooldown != 0),
    ):
        if given:
            raise UsageError(f"{found.name} is an accelerator that is simulated; leave {option} out")
    options = simulation_options(found)
    notice = (
        f"Latency and energy on {found.name} are simulated by ZigZag's model at {found.clock_ghz:g} GHz in "
        f"{found.precision}; no device was measured."
    )
    return "simulated", options, notice


def choose_measurement(
    target: str,
    runner: str,
    tracker: str | None,
    threads: int | None,
    tuned: bool = False,
    database: str | Path | None = None,
    cooldown: float = 0,
) -> tuple[str, RunOptions, str | None]:
    """The runner's name, its options, and a line the user should see; all cores of the target by default.

    `tuned` takes the traces that beat the rules from the target's `database`; `cooldown`: see `Request`. Raises
    UsageError for unknown names, for more threads than the target has cores, for a runner that cannot work, such as one
    whose tracker does not answer, and for a database without kernels tuned against today's rules.
    """
    from blockfront.targets import RUNNERS, RunOptions, choose_runner, get_target
    from blockfront.targets.latency.calibration import load_calibration
    from blockfront.targets.tuning.database import TuningDatabase

    if database is not None and not tuned:
        raise UsageError("--database names a file of tuned kernels; add --tuned to use them")
    if not 0 <= cooldown < float("inf"):
        raise UsageError(f"--cooldown must be 0 or more, not {cooldown:g}")
    found = get_target(target)
    count = found.check_threads(threads)
    calibration = load_calibration(found)
    chosen, notice = choose_runner(runner, found, tracker, calibration)
    traces = TuningDatabase(found, count, Path(database) if database else None).traces() if tuned else None
    options = RunOptions(
        target=found, threads=count, tracker=tracker, cooldown_s=cooldown, tuned=traces, calibration=calibration
    )
    RUNNERS[chosen].check(options)
    return chosen, options, notice


def _check_numbers(request: Request) -> None:
    for option, value, least in (
        ("--n", request.n, 1),
        ("--resolution", request.resolution, 1),
        ("--epochs", request.epochs, 1),
        ("--workers", request.workers, 1),
        ("--seed", request.seed, 0),
    ):
        if value is not None and value < least:
            raise UsageError(f"{option} must be {least} or more, not {value}")
    for option, minutes in (("profile", request.profile_minutes), ("train", request.train_minutes)):
        if not minutes > 0:
            raise UsageError(f"--{option}-minutes must be above 0, not {minutes:g}")
    if request.device not in DEVICES:
        raise UsageError(f"unknown device {request.device!r}; known: {', '.join(DEVICES)}")


def _workers(request: Request) -> int:
    cores = usable_cores()
    if request.scheduler is None and request.workers is not None and request.workers > cores:
        raise UsageError(f"--workers {request.workers}: this machine has {cores} usable cores")
    return request.workers or cores
