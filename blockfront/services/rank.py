"""Known networks on one target: a study that grows by those asked for, with accuracies from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.services.accuracy import PUBLISHED, Accuracies
from blockfront.services.latency_sheet import MILLISECONDS
from blockfront.services.profile import profile_boxes
from blockfront.study.reading import give_accuracies, give_postprocess
from blockfront.study.storage import load, open_study, opened, storage_exists, study_names
from blockfront.study.trials import network_trials
from blockfront.sweep.plan import resolve
from blockfront.sweep.request import asked_of
from blockfront.sweep.run import run_sweep
from blockfront.sweep.shipped import TABLE, KnownLatency, read_table, rows_made, valid_rows

if TYPE_CHECKING:
    import pandas as pd

    from blockfront.console.progress import Progress
    from blockfront.design_space.models import Model
    from blockfront.design_space.network import Network
    from blockfront.sweep.plan import SweepPlan
    from blockfront.sweep.request import Request
    from blockfront.targets import Means
    from blockfront.training import Dataset


def budget_ms(within: str | None, fps: float | None) -> float | None:
    """The budget in milliseconds that `--within` (33ms, 0.5s) or `--fps` (30) says; None without one.

    Raises UsageError for both, for another form, and for what is not above 0.
    """
    if fps is not None:
        if within is not None:
            raise UsageError("--within and --fps say the same: leave one out")
        if not 0 < fps < float("inf"):
            raise UsageError(f"--fps must be above 0, not {fps:g}")
        return 1e3 / fps
    if within is None:
        return None
    match = re.fullmatch(rf"(\d+\.?\d*|\.\d+)\s*({'|'.join(MILLISECONDS)})", within.strip())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"--within {within!r} is no budget: give a time with its unit, like 33ms or 0.5s")
    return float(match[1]) * MILLISECONDS[match[2]]


def models_of_table(request: Request, table: Path = TABLE) -> tuple[str, ...]:
    """Texts of the networks whose latencies come with the package, for what is asked of hardware, as they would come
    out today.

    Raises UsageError where there are none, and for an input: they have their own.
    """
    if request.input is not None:
        raise UsageError("--all takes networks at the sizes that their weights are for: leave --input out")
    means = _means_of_table(request)
    rows = [] if means is None else valid_rows(means, table, "network")
    if not rows:
        raise UsageError(f"{_why_none(means, table)}: name models, such as 'mobilenet*'")
    return tuple(row["network"] for row in rows)


def plan_ranking(request: Request, table: Path = TABLE) -> SweepPlan:
    """`resolve`, which neither looks for an emulator nor fetches one where the table has every network."""
    means = _means_of_table(request)
    known = set() if means is None else {row["network_id"] for row in valid_rows(means, table, "network_id")}
    if known:
        plan = resolve(request, means)
        if all(network.id in known for _, network in plan.space.enumerate()):
            return plan
    return resolve(request)


def _why_none(means: Means | None, table: Path) -> str:
    every = read_table(table)
    if means is None:
        return f"latencies that come with bench are of code predicted for {_places(every)}, and not of what is asked"
    target, threads = means.options.target.name, means.options.threads
    stale = sum((row.target, row.threads) == (target, threads) for row in every)
    if not stale:
        places = _places([row for row in every if row.target == target] or every)
        return f"latencies that come with bench are for {places}, not for {target} with {threads}"
    made_for = f"{target} with {counted(threads, 'thread')}"
    return f"bench comes with {counted(stale, 'latency')} for {made_for}, which would come out otherwise today"


def _places(rows: Iterable[KnownLatency]) -> str:
    """Each target of the rows once, with its numbers of threads."""
    threads: dict[str, set[int]] = {}
    for row in rows:
        threads.setdefault(row.target, set()).add(row.threads)
    ordered = [(name, sorted(numbers)) for name, numbers in sorted(threads.items())]
    found = [(name, " or ".join([*map(str, less), counted(most, "thread")])) for name, (*less, most) in ordered]
    return ", ".join(f"{name} ({numbers})" for name, numbers in found) or "no target"


def _means_of_table(request: Request) -> Means | None:
    """What `choose` finds for a request whose latencies are predicted from code; None for any other."""
    from blockfront.targets import METERS, TOOLCHAINS, Means, Processor
    from blockfront.targets.latency.selection import AUTO

    asked, toolchain, meter = asked_of(request), TOOLCHAINS["tvm"], METERS["emulated"]
    if request.toolchain not in (AUTO, toolchain.name) or request.runner not in (AUTO, meter.name) or asked.given:
        return None
    if not isinstance(asked.hardware, Processor) or (asked.hardware.local and request.runner == AUTO):
        return None
    means = Means(toolchain, meter, toolchain.options_for(asked))
    try:
        return means if means.prediction is not None else None
    except UsageError:  # There is no model of its core.
        return None


@dataclass(frozen=True)
class TrainedDetectors:
    """Images to time post-processing of detectors on, and files of trained weights of those whose names have none."""

    dataset: Dataset
    weights: Mapping[str, Path]

    def of(self, networks: Iterable[Network]) -> dict[str, Model]:
        """Those of some networks that are detectors with trained weights, by id; raises `UsageError` where none is."""
        from blockfront.design_space.known import KnownNetwork

        found, named = {}, dict(self.weights)
        for network in networks:
            if not isinstance(network, KnownNetwork) or network.boxes is None:
                continue
            model = network.model
            file = named.pop(network.name, model.weights)
            if file is not None:
                found[network.id] = replace(model, weights=file)
        if named:
            raise UsageError(f"--weights names {', '.join(named)}, and no such detector is asked for")
        if not found:
            raise UsageError(
                "--dataset is to time the post-processing of trained detectors, and none is asked for: name their "
                ".safetensors files, or give --weights torchvision:NAME=FILE"
            )
        return found


def trained_detectors(
    dataset: str | None, weights: Mapping[str, Path], data_dir: str | None
) -> TrainedDetectors | None:
    """Images of a data set by its name, and files of weights by the detectors'; None for neither."""
    from blockfront.training import get_dataset

    for file in weights.values():
        if not file.is_file():
            raise UsageError(f"there is no file {file}")
    if dataset is not None:
        return TrainedDetectors(get_dataset(dataset, data_dir), weights)
    if weights:
        raise UsageError("--weights is for --dataset, images to time post-processing on; latencies need none")
    return None


def weights_by_name(pairs: Sequence[str]) -> dict[str, Path]:
    """Files by what is written as `NAME=FILE`; raises `UsageError` for what is not."""
    found = {}
    for pair in pairs:
        name, separator, file = pair.partition("=")
        if not (name and separator and file):
            raise UsageError(f"--weights is NAME=FILE, such as torchvision:ssd300_vgg16=ssd.pth, not {pair!r}")
        found[name] = Path(file).expanduser()
    return found


@dataclass(frozen=True)
class Ranked:
    """Rows of the networks asked for, in their order, and what a reader is to be told of their accuracies, in lines.

    `value` is the metric of those, by which they are ranked, and `cost` what a budget is of: latency, or that with
    post-processing where all of them are detectors of which it is known.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]
    value: str
    cost: str


def rank_networks(
    plan: SweepPlan,
    accuracies: Accuracies,
    progress: Progress,
    trained: TrainedDetectors | None = None,
    *,
    debug: bool = False,
) -> Ranked:
    """Profile the plan's networks that its study lacks, and give all of the study the accuracies of one source.

    Post-processing of detectors that are `trained` is timed, anew each time. Raises as `run_sweep` does, and UsageError
    for a file of accuracies that says two things of one network, or names none of those asked for, and for networks of
    several tasks that are to have accuracies.
    """
    asked = [network for _, network in plan.space.enumerate()]
    value = accuracies.value_of(asked)
    detectors = {} if trained is None else trained.of(asked)
    given = accuracies.of(asked)
    accuracies.of([*_networks_of(plan), *asked])
    notes = given.notes
    precision = plan.settings.precision
    if precision != "float32" and accuracies.source == PUBLISHED and given.trainings:
        notes = (f"accuracies are those of float32, not of {precision}", *notes)
    done = run_sweep(plan, progress, debug=debug)
    if done.quoted:
        quoted = f"{done.quoted} of these latencies come with the package, {rows_made(plan.means)}"
        notes = (f"{quoted}; {done.worked_on} made here now", *notes)
    _give(plan, accuracies)
    if trained is not None:
        notes = (*notes, _time_boxes(plan, trained, detectors, progress))
    frame = load(plan.study, plan.request.storage).set_index("network_id", drop=False)
    frame = frame.loc[[network.id for network in asked]].reset_index(drop=True)
    without = int((frame["total_missing"].fillna("") != "").sum())
    if without:
        notes = (*notes, f"{counted(without, 'detector')} of these without post-processing, which --dataset times")
    complete = frame[frame["state"] == "complete"]
    timed = len(complete) > 0 and bool(complete["total_ms"].notna().all())
    return Ranked(frame, notes, value, "total_ms" if timed else "latency_ms")


def _time_boxes(plan: SweepPlan, trained: TrainedDetectors, detectors: Mapping[str, Model], progress: Progress) -> str:
    """Time and keep what follows these detectors; what a reader is to be told of it."""
    found = {
        network: profile_boxes(model, plan.means, trained.dataset, progress) for network, model in detectors.items()
    }
    with opened(plan.request.storage) as storage:
        give_postprocess(open_study(storage, plan.study), found)
    return f"post-processing of {counted(len(found), 'detector')} as trained, on images of {trained.dataset.ref}"


def _networks_of(plan: SweepPlan) -> list[Network]:
    """The networks of the study; none before it is made."""
    from blockfront.design_space import Network

    if not storage_exists(plan.request.storage):
        return []
    with opened(plan.request.storage) as storage:
        if plan.study not in study_names(storage):
            return []
        trials = network_trials(open_study(storage, plan.study))
        return [Network.parse(trial.user_attrs["network"]["text"]) for trial in trials]


def _give(plan: SweepPlan, accuracies: Accuracies) -> None:
    """Give every network of the study its accuracy, so that no two sources meet in one."""
    given = accuracies.of(_networks_of(plan))
    with opened(plan.request.storage) as storage:
        give_accuracies(open_study(storage, plan.study), given.trainings, given.origin)
