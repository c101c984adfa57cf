"""From a table of published latencies to observations: which rows, and the profiles they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.sweep.progress import Progress
from bench.validation.boards import Observed, observe
from bench.validation.cases import cases_of
from bench.validation.ncnn_emulation import Run, profiles
from bench.validation.published import Published


def observations_of(
    rows: Sequence[Published], progress: Progress, networks: Sequence[str] | None = None
) -> tuple[list[Observed], Mapping[str, int]]:
    """What can be predicted of `rows`, of these networks or all, and how many rows were skipped for which reason.

    Raises `RunError` when a profile is missing and QEMU or ncnn fails.
    """
    cases, skipped = cases_of(rows)
    if networks is not None:
        cases = [case for case in cases if case.network.name in networks]
    runs = [Run(case.network, case.setting.target, case.setting.threads, case.half) for case in cases]
    with progress.stage("profiling ncnn under emulation", len(runs)) as advance:
        found = profiles(runs, advance)
    return observe(cases, found), skipped
