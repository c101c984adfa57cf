"""The report on published NPUs as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blockfront.console.tables import print_line, print_table
from blockfront.validation.accelerators import NpuReport

_HEADS = ["target", "device", "compared", "n", "Spearman", "of MACs", "median error", "90th", "ratio", "from", "to"]
_POINTS = ["published as", "network", "input", "params M", "MACs M", "published ms", "simulated ms", "ratio"]


def print_accelerators(reports: Sequence[NpuReport], left: Mapping[str, str]) -> None:
    """A line a device, the networks where the model is like the chip, and what was left out for which reason."""
    print_table(_HEADS, map(_cells, reports))
    print_line()
    print_line("errors are of |simulated / published - 1|, ratio is the geometric mean of simulated / published;")
    print_line("ranks alone: the model is of another chip, or the figures are throughputs of a pipeline;")
    print_line("fitted on: the model was fitted on these figures, held out: it was on others of the device.")
    for report in reports:
        if report.errors is not None:
            print_line()
            print_table(_POINTS, _points(report), title=f"{report.target} against {report.device}{_part(report)}")
    for report in reports:
        if report.skipped and not report.fitted:
            print_line()
            title = f"{report.target} says nothing of these of {report.device}"
            print_table(["left out", "because"], report.skipped.items(), title=title)
    if left:
        print_line()
        print_table(["left out", "because"], left.items())


def _cells(report: NpuReport) -> list[object]:
    ranks = [_rank(report.spearman), _rank(report.spearman_macs)]
    if report.errors is None:
        return [report.target, report.device, "ranks", report.n, *ranks, *[""] * 5]
    ratios = [point.ratio for point in report.points]
    errors, spread = report.errors, (report.errors.geomean_ratio, min(ratios), max(ratios))
    shares = [f"{100 * one:.0f} %" for one in (errors.median_abs_error, errors.p90_abs_error)]
    return [
        report.target,
        report.device,
        f"times{_part(report)}",
        report.n,
        *ranks,
        *shares,
        *(f"{one:.2f}" for one in spread),
    ]


def _points(report: NpuReport) -> list[tuple[object, ...]]:
    return [
        (
            one.published,
            one.network,
            one.input,
            f"{one.params / 1e6:.1f}",
            f"{one.macs / 1e6:.0f}",
            f"{one.published_ms:.4g}",
            f"{one.simulated_ms:.4g}",
            f"{one.ratio:.2f}",
        )
        for one in report.points
    ]


def _rank(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _part(report: NpuReport) -> str:
    """Whether the model was fitted on the figures, where it was on any."""
    return f", {'fitted on' if report.fitted else 'held out'}" if report.fitted or report.others else ""
