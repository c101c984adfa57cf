"""Predictions against published times of boards: fits that leave out what they are judged on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from blockfront.targets.latency.prediction.core_model import work_of
from blockfront.targets.latency.prediction.core_models import as_predicted, core_models
from blockfront.targets.latency.prediction.fitting import Observation, leave_one_out
from blockfront.targets.latency.prediction.guides import GUIDES, LEAST
from blockfront.targets.latency.profiler import Profile
from blockfront.validation.cases import Case
from blockfront.validation.ncnn_macs import count_ncnn_macs
from blockfront.validation.prediction_errors import Accuracy, accuracy, rank_correlation

GOALS = {"median_abs_error": 0.08, "p90_abs_error": 0.20, "spearman": 0.98, "board_median_abs_error": 0.15}
"""What a board should reach: the first three for the network left out, the last for the board left out."""


class Observed(Observation, frozen=True):
    """An observation and the row it is from."""

    case: Case


@dataclass(frozen=True)
class CasePrediction:
    """A published time beside two predictions: by a fit without its network, and by one without its board.

    The first saw the network on no board, the second saw the board with no network; None where nothing was left to
    fit on.
    """

    case: Case
    network_ms: float | None
    board_ms: float | None


@dataclass(frozen=True)
class BoardReport:
    """A board and core setting, and how good predictions are whose fit left out the network on all boards.

    `within_tenth` is the share of errors up to 10 %; `spearman_macs` ranks the same networks by MACs. `board` is of
    predictions whose fit left out the whole board, None where its core is known from no other, and `coverage` the
    share of its times in the intervals that the errors on all other boards give those predictions. Numbers are None
    where no prediction was possible.
    """

    target: str
    device: str
    cores_threads: str
    core: str
    precision: str
    n: int
    median_abs_error: float | None
    p90_abs_error: float | None
    within_tenth: float | None
    geomean_ratio: float | None
    spearman: float | None
    spearman_macs: float | None
    board: Accuracy | None
    coverage: float | None
    unverified_bandwidth: bool


def observe(cases: Sequence[Case], profiles: Sequence[Profile]) -> list[Observed]:
    """Cases with their profiles, ready to be fitted."""
    found = []
    for case, profile in zip(cases, profiles, strict=True):
        known, board = GUIDES[case.core].prior, case.placement.target
        work = work_of(profile, as_predicted(board), known, case.core)
        found.append(Observed(work, case.published.milliseconds, case.network.name, board.name, case))
    return found


def predict(observations: Sequence[Observed], kept: bool = True) -> list[CasePrediction]:
    """Both predictions of every observation.

    With `kept`, a board that the kept model was not fitted on is predicted by that model.
    """
    networks: dict[int, float] = {}
    boards: dict[int, float] = {}
    for core, int8 in dict.fromkeys((one.case.core, one.case.int8) for one in observations):
        group = [one for one in observations if (one.case.core, one.case.int8) == (core, int8)]
        networks |= _left_out(group, lambda one: one.network, core)
        boards |= _left_out(group, lambda one: one.board, core)
        model = core_models(int8=int8).get(core) if kept else None
        if model is not None and model.boards:
            coefficients = model.coefficients.array()
            new = [one for one in group if one.board not in model.boards]
            boards |= {id(one): one.work.milliseconds(coefficients) for one in new}
    return [CasePrediction(one.case, networks.get(id(one)), boards.get(id(one))) for one in observations]


def _left_out(group: Sequence[Observed], name: Callable[[Observed], str], core: str) -> Mapping[int, float]:
    if len({name(one) for one in learned(group)}) < 2:
        return {}
    known = set(map(id, learned(group)))
    found = leave_one_out(group, name, GUIDES[core].prior, LEAST, lambda one: id(one) in known)
    return {id(one): ms for one, ms in found}


def learned(group: Sequence[Observed]) -> list[Observed]:
    """What a core is fitted on: times of one thread, where there are any.

    With several, the memory of the board decides as much as the core, and of that little is known.
    """
    return [one for one in group if one.case.placement.threads == 1] or list(group)


def report(predictions: Sequence[CasePrediction], covered: Mapping[int, bool]) -> list[BoardReport]:
    """One entry a board and core setting, in the order they come; `covered` is by the `id` of a prediction."""

    def key(one: CasePrediction) -> tuple[str, str, str, str]:
        row = one.case.published
        return row.device, row.chip, row.cores_threads, row.precision

    order = {setting: i for i, setting in enumerate(dict.fromkeys(map(key, predictions)))}
    ordered = sorted(predictions, key=lambda one: order[key(one)])
    return [_entry(list(members), covered) for _, members in groupby(ordered, key)]


def _entry(members: Sequence[CasePrediction], covered: Mapping[int, bool]) -> BoardReport:
    case = members[0].case
    by_network = [one for one in members if one.network_ms is not None]
    measured = [one.case.published.milliseconds for one in by_network]
    found = accuracy([one.network_ms or 0.0 for one in by_network], measured)
    macs = [float(count_ncnn_macs(one.case.network.param, one.case.network.shape[:2])) for one in by_network]
    target, row = case.placement.target, case.published
    inside = [covered[id(one)] for one in members if id(one) in covered]
    return BoardReport(
        target=target.name,
        device=row.device,
        cores_threads=row.cores_threads,
        core=case.core,
        precision=row.precision[:4],
        n=len(by_network),
        median_abs_error=found.median_abs_error if found else None,
        p90_abs_error=found.p90_abs_error if found else None,
        within_tenth=found.within_tenth if found else None,
        geomean_ratio=found.geomean_ratio if found else None,
        spearman=found.spearman if found else None,
        spearman_macs=rank_correlation(macs, measured),
        board=board_accuracy(members),
        coverage=sum(inside) / len(inside) if inside else None,
        unverified_bandwidth="unverified" in target.source_of("bandwidth_gbs"),
    )


def board_accuracy(members: Sequence[CasePrediction]) -> Accuracy | None:
    """Of the predictions whose fit left out the board."""
    found = [(one.board_ms, one.case.published.milliseconds) for one in members if one.board_ms is not None]
    return accuracy([predicted for predicted, _ in found], [measured for _, measured in found])
