"""From a table of published latencies to observations: which rows, and the profiles they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blockfront.console.progress import Progress
from blockfront.validation.boards import Observed, observe
from blockfront.validation.cases import cases_of
from blockfront.validation.ncnn_emulation import NcnnRun, kept, profiles
from blockfront.validation.published import Published


def observations_of(
    rows: Sequence[Published], progress: Progress, networks: Sequence[str] | None = None, kept_only: bool = False
) -> tuple[list[Observed], Mapping[str, int]]:
    """What can be predicted of `rows`, of these networks or all, and how many rows were skipped for which reason.

    `kept_only`: only what was profiled before. Raises `RunError` when a profile is missing and QEMU or ncnn fails.
    """
    cases, skipped = cases_of(rows)
    if networks is not None:
        cases = [case for case in cases if case.network.name in networks]
    runs = [NcnnRun(case.network, case.placement.target, case.placement.threads, case.half) for case in cases]
    if kept_only:
        pairs = [(case, profile) for case, profile in zip(cases, kept(runs), strict=True) if profile is not None]
        skipped = {**skipped, "not profiled yet": len(cases) - len(pairs)}
        return observe([case for case, _ in pairs], [profile for _, profile in pairs]), skipped
    with progress.stage("profiling ncnn under emulation", len(runs)) as advance:
        found = profiles(runs, advance)
    return observe(cases, found), skipped
