"""The report on published boards as text, with what it is measured against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blockfront.console.tables import print_line, print_table
from blockfront.plurals import counted
from blockfront.validation.boards import GOALS, BoardReport
from blockfront.validation.judging import ThreadsReport
from blockfront.validation.prediction_errors import Accuracy
from blockfront.validation.scaling import ScalingReport

_HEADS = [
    *("target", "device", "setting", "precision", "n", "median", "90th", "≤ 10 %", "ratio", "Spearman", "of MACs"),
    *("board out: median", "90th", "≤ 10 %", "ratio", "covered"),
]
_THREADS_HEADS = [
    *("precision", "threads", "n", "median", "90th", "≤ 10 %", "ratio"),
    *("board out: n", "median", "90th", "≤ 10 %", "ratio", "covered"),
]
_SCALING_HEADS = ["device", "core", "precision", "threads", "n", "published", "predicted", "median error", "bias"]


def print_boards(
    reports: Sequence[BoardReport],
    threads: Sequence[ThreadsReport],
    scaling: Sequence[ScalingReport],
    skipped: Mapping[str, int],
) -> None:
    """A line a board and setting, how threads scale, and what was skipped for which reason."""
    print_table(_HEADS, map(_cells, reports))
    print_line()
    print_line("median, 90th: of |predicted / published - 1|, by a fit without the network, on any board of the core;")
    print_line("board out: by a fit that saw no time of the board. ratio: geometric mean of predicted / published.")
    print_line("≤ 10 %: the share of errors up to 10 %; covered: of times in the 90 % interval from all other boards.")
    print_line("* the memory's bandwidth is an estimate.")
    goal = f"median ≤ {GOALS['median_abs_error']:.0%}, 90th ≤ {GOALS['p90_abs_error']:.0%}, "
    met = sum(map(_meets, reports))
    print_line(f"{met} of {counted(len(reports), 'setting')} reach {goal}Spearman ≥ {GOALS['spearman']}")
    others = [one.board.median_abs_error for one in reports if one.board is not None]
    reached = sum(error <= GOALS["board_median_abs_error"] for error in others)
    limit = f"{GOALS['board_median_abs_error']:.0%}"
    print_line(f"{reached} of {len(others)} reach a median ≤ {limit} with the board left out")
    if threads:
        print_line()
        print_table(_THREADS_HEADS, map(_threads_cells, threads))
    if scaling:
        print_line()
        print_table(_SCALING_HEADS, map(_scaling_cells, scaling))
        print_line("times faster with more threads, by geometric mean; bias: predicted / published")
    if skipped:
        print_line()
        print_table(["rows skipped", "because"], [(count, reason) for reason, count in skipped.items()])


def _meets(one: BoardReport) -> bool:
    return (
        one.median_abs_error is not None
        and one.p90_abs_error is not None
        and one.spearman is not None
        and one.median_abs_error <= GOALS["median_abs_error"]
        and one.p90_abs_error <= GOALS["p90_abs_error"]
        and one.spearman >= GOALS["spearman"]
    )


def _cells(one: BoardReport) -> tuple[object, ...]:
    board = one.board
    return (
        one.target + "*" * one.unverified_bandwidth,
        one.device,
        one.cores_threads,
        one.precision,
        one.n,
        *map(_percent, (one.median_abs_error, one.p90_abs_error, one.within_tenth)),
        _number(one.geomean_ratio, 2),
        _number(one.spearman, 3),
        _number(one.spearman_macs, 3),
        *map(_percent, (board.median_abs_error, board.p90_abs_error, board.within_tenth) if board else (None,) * 3),
        _number(board.geomean_ratio if board else None, 2),
        _percent(one.coverage),
    )


def _threads_cells(one: ThreadsReport) -> tuple[object, ...]:
    precision = "int8" if one.int8 else "fp32, fp16"
    return (precision, one.threads, *_accuracy_cells(one.network), *_accuracy_cells(one.board), _percent(one.coverage))


def _accuracy_cells(one: Accuracy | None) -> tuple[object, ...]:
    if one is None:
        return (0, *["-"] * 4)
    shares = one.median_abs_error, one.p90_abs_error, one.within_tenth
    return one.n, *map(_percent, shares), _number(one.geomean_ratio, 2)


def _scaling_cells(one: ScalingReport) -> tuple[object, ...]:
    return (
        one.device,
        one.core,
        one.precision,
        f"{one.fewer} to {one.more}",
        one.n,
        *(_number(value, 2) for value in (one.published, one.predicted)),
        _percent(one.median_abs_error),
        _number(one.bias, 2),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
