"""What predictions of published times say of others: the errors that stand with a core's model, and their spread."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from blockfront.targets.latency.prediction.core_model import Error
from blockfront.targets.latency.prediction.interval import conformal
from blockfront.validation.boards import CasePrediction
from blockfront.validation.prediction_errors import Accuracy, accuracy
from blockfront.validation.scaling import scalings

BOARDS = 3
"""Of so many boards of a core the errors are taken for those of any; of fewer, the errors on all cores are."""
BOARDS_FOR_INTERVAL = 9
"""The same of intervals: with fewer boards the largest of all errors would be one's width (see `conformal`)."""

Judged = tuple[CasePrediction, float]
"""A published time and one of the milliseconds predicted for it."""


def published_times(int8: bool) -> str:
    """What an error is judged on, in words."""
    return f"published times of ncnn's networks{' in int8' * int8}"


def errors_of(core: str, predictions: Sequence[CasePrediction], boards: Sequence[str]) -> tuple[Error, ...]:
    """The errors on a core that is fitted on `boards`, by threads, for boards that the fit saw and for others.

    The predictions are all in int8, or none is.
    """
    found = []
    networks = published_times(any(one.case.int8 for one in predictions))
    scaled = scalings(predictions)
    scaling = conformal([one.predicted / one.published for one in scaled], [one.device for one in scaled]) or 0.0
    for threads in sorted({one.case.placement.threads for one in predictions}):
        everywhere = _pairs(predictions, threads, lambda one: one.board_ms)
        here = [pair for pair in everywhere if pair[0].case.core == core]
        seen = [
            pair
            for pair in _pairs(predictions, threads, lambda one: one.network_ms)
            if pair[0].case.core == core and _board(pair) in boards
        ]
        judged = here if board_count(here) >= BOARDS else everywhere
        cores = "" if judged is here else ", on boards of several cores"
        if judged:
            data = f"{networks}, each board left out of its fit{cores}"
            found.append(error_on(judged, data, threads, spread_on_board(everywhere, core), scaling))
        if seen:
            data = f"{networks}, each network left out of its fit"
            spread = conformal(ratios(seen), [one.case.network.name for one, _ in seen])
            found.append(error_on(seen, data, threads, spread, scaling, known=True))
    return tuple(found)


def spread_on_board(pairs: Sequence[Judged], core: str | None = None) -> float | None:
    """`Error.spread` for a board of `core` that no fit saw, from predictions of others; None of none."""
    here = [pair for pair in pairs if pair[0].case.core == core]
    used = here if board_count(here) >= BOARDS_FOR_INTERVAL else pairs
    return conformal(ratios(used), list(map(_board, used)))


def error_on(
    pairs: Sequence[Judged], data: str, threads: int, spread: float | None, scaling: float, known: bool = False
) -> Error:
    """The error of some predictions, one at least; the other arguments are what `Error` keeps."""
    times = [one.case.published.milliseconds for one, _ in pairs]
    found = _accuracy(pairs)
    assert found is not None
    assert spread is not None
    return Error(
        median=found.median_abs_error,
        p90=found.p90_abs_error,
        n=found.n,
        data=data,
        spread=spread,
        within_tenth=found.within_tenth,
        threads=threads,
        code="ncnn",
        boards=tuple(sorted(set(map(_board, pairs)))),
        board_known=known,
        fastest_ms=min(times),
        slowest_ms=max(times),
        scaling_spread=scaling,
    )


@dataclass(frozen=True)
class ThreadsReport:
    """All boards with so many threads, in int8 or not: predictions without the network and without the board, and their
    coverage."""

    int8: bool
    threads: int
    network: Accuracy | None
    board: Accuracy | None
    coverage: float | None


def report_threads(predictions: Sequence[CasePrediction], covered: Mapping[int, bool]) -> list[ThreadsReport]:
    """One entry a number of threads; `covered` is that of `coverage`."""
    found = []
    for int8, threads in sorted({(one.case.int8, one.case.placement.threads) for one in predictions}):
        alike = [one for one in predictions if one.case.int8 == int8]
        networks = _pairs(alike, threads, lambda one: one.network_ms)
        boards = _pairs(alike, threads, lambda one: one.board_ms)
        inside = [covered[id(one)] for one, _ in boards if id(one) in covered]
        share = sum(inside) / len(inside) if inside else None
        found.append(ThreadsReport(int8, threads, _accuracy(networks), _accuracy(boards), share))
    return found


def _accuracy(pairs: Sequence[Judged]) -> Accuracy | None:
    return accuracy([ms for _, ms in pairs], [one.case.published.milliseconds for one, _ in pairs])


def board_count(pairs: Sequence[Judged]) -> int:
    """On how many boards they are."""
    return len(set(map(_board, pairs)))


def ratios(pairs: Sequence[Judged]) -> list[float]:
    """Predicted over published."""
    return [ms / one.case.published.milliseconds for one, ms in pairs]


def coverage(predictions: Sequence[CasePrediction]) -> dict[int, bool]:
    """Whether a published time lies in the interval that the errors on all other boards give, by the row's `id`.

    As in `errors_of`, but the judged board is in none of the errors; rows that no fit without the board predicts are
    left out.
    """
    found: dict[int, bool] = {}
    for int8, threads in {(one.case.int8, one.case.placement.threads) for one in predictions}:
        alike = [one for one in predictions if one.case.int8 == int8]
        pairs = _pairs(alike, threads, lambda one: one.board_ms)
        for pair in pairs:
            others = [one for one in pairs if _board(one) != _board(pair)]
            spread = spread_on_board(others, pair[0].case.core)
            if spread is not None:
                found[id(pair[0])] = abs(math.log(ratios([pair])[0])) <= spread
    return found


def _board(pair: Judged) -> str:
    return pair[0].case.placement.target.name


def _pairs(
    predictions: Sequence[CasePrediction], threads: int, of: Callable[[CasePrediction], float | None]
) -> list[Judged]:
    return [(one, ms) for one in predictions if one.case.placement.threads == threads and (ms := of(one)) is not None]
