"""Simulated against published latencies of NPUs: `bench validate accelerators`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockfront.console.progress import Progress, choose_progress
from blockfront.errors import RunError
from blockfront.services.profile import profile_model
from blockfront.targets import Asked, FittedNpu, Means, Predicts, choose, find_hardware
from blockfront.targets.latency.accelerators.judgements import Judgement
from blockfront.validation.npu_fitting import fitted_on
from blockfront.validation.npu_networks import DEVICES, SAME, SLOW, UNMATCHED, NpuDevice, npu_device, npu_model
from blockfront.validation.prediction_errors import Accuracy, accuracy, rank_correlation
from blockfront.validation.published import read_times

OWN_NPUS = Path(__file__).with_name("published_accelerators.csv")
"""Published latencies of four NPUs at batch 1, each with its source."""
NPU_COLUMNS = ("device", "chip", "software", "precision", "model", "input", "latency_ms", "source")
_SIZE = re.compile(r"(?<!\d)(\d{2,})x\1(?!\d)")


@dataclass(frozen=True)
class NpuRow:
    """A published latency, and the network that it is of."""

    device: str
    known: NpuDevice
    published: str
    network: str
    resolution: int | None
    milliseconds: float


@dataclass(frozen=True)
class NpuPoint:
    """A network of a device: published and simulated milliseconds, MACs, parameters."""

    published: str
    network: str
    input: str
    published_ms: float
    simulated_ms: float
    ratio: float
    macs: int
    params: int


@dataclass(frozen=True)
class NpuReport:
    """A model of an accelerator against a device. `errors` are None where the model is of another chip, or the
    published figures are throughputs: ranks alone are then compared.

    `fitted`: the model was fitted on these very figures, so that their errors judge nothing; `others` is how many it
    was fitted on where it was not. `skipped`: why the model says nothing of other published names.
    """

    target: str
    device: str
    like: bool
    fitted: bool
    others: int
    skipped: dict[str, str]
    throughput: bool
    n: int
    spearman: float | None
    spearman_macs: float | None
    errors: Accuracy | None
    points: tuple[NpuPoint, ...]


def read_npu_rows(path: Path) -> tuple[list[NpuRow], dict[str, str]]:
    """The rows of a table with `NPU_COLUMNS` that a network is known of, and why each other one is not compared.

    Raises UsageError for what is no such table.
    """
    rows, left = [], {}
    for row, milliseconds in read_times(path, NPU_COLUMNS):
        device = npu_device(row["device"])
        reason = _reason(row, device)
        if device is None or reason is not None:
            left[f"{row['device']}: {row['model']}"] = reason or ""
            continue
        size = _SIZE.search(row["input"])
        resolution = None if size is None else int(size.group(1))
        rows.append(NpuRow(row["device"], device, row["model"], SAME[row["model"]], resolution, milliseconds))
    return rows, left


def _reason(row: Mapping[str, str], device: NpuDevice | None) -> str | None:
    if device is None:
        return f"no device of {', '.join(one.prefix for one in DEVICES)}"
    if not row["precision"].startswith(("int8", "w8a8")):
        return f"{row['precision']}, where the models are of int8"
    if row["model"] not in SAME:
        return UNMATCHED.get(row["model"], "no network of timm's or torchvision's has this name")
    return None


def validate_accelerators(rows: Sequence[NpuRow], targets: Sequence[str], progress: Progress) -> list[NpuReport]:
    """The networks of `rows` simulated on each target, against each device's published latencies.

    A model that was fitted is asked about its own chip alone, and what it was fitted on stands by itself. ZigZag is
    asked about all but what is `SLOW`; what was simulated once is kept, layer by layer. Raises UsageError where ZigZag
    is not installed.
    """
    reports, quiet = [], choose_progress(quiet=True)
    for target in targets:
        means = _means(target)
        known = _fitted_on(target)
        asked = [row for row in rows if (row.known.target == target if known else row.published not in SLOW)]
        wanted = sorted({(row.network, row.resolution) for row in asked}, key=str)
        found, refused = {}, {}
        with progress.stage(f"simulate on {target}", len(wanted)) as advance:
            for network, resolution in wanted:
                try:
                    found[network, resolution] = profile_model(npu_model(network, resolution), means, quiet)
                except RunError as error:
                    refused[network, resolution] = str(error)
                advance()
        parts: dict[tuple[str, bool], list[NpuRow]] = {}
        for row in asked:
            if (row.network, row.resolution) in found:
                parts.setdefault((row.device, row.published in known), []).append(row)
        for (device, fitted), part in parts.items():
            skipped = {
                row.published: refused.get((row.network, row.resolution), "ZigZag is slow on it")
                for row in rows
                if row.device == device and (row.network, row.resolution) not in found
            }
            points = tuple(_point(row, found[row.network, row.resolution]) for row in part)
            reports.append(_report(target, part[0], points, fitted, len(known), skipped))
    return reports


def like_targets() -> list[str]:
    """The models that are like a device whose latencies were published."""
    return [device.target for device in DEVICES if device.target is not None]


def _fitted_on(target: str) -> frozenset[str]:
    """Published names that the model was fitted on, all of our own table; none where nothing was fitted."""
    if not isinstance(find_hardware(target), FittedNpu):
        return frozenset()
    return fitted_on([row.published for row in read_npu_rows(OWN_NPUS)[0] if row.known.target == target])


def judgement_of(report: NpuReport) -> Judgement | None:
    """What rows of the target state from then on; None where the report has no errors that judge."""
    if report.errors is None or report.fitted:
        return None
    means = _means(report.target)
    assert isinstance(means.meter, Predicts)
    prediction = means.meter.prediction(means.options)
    assert prediction is not None
    ratios = [point.ratio for point in report.points]
    return Judgement(
        target=report.target,
        model=prediction.model,
        device=report.device,
        networks={f"{one.published} ({one.input})": (one.published_ms, one.simulated_ms) for one in report.points},
        median_error=report.errors.median_abs_error,
        p90_error=report.errors.p90_abs_error,
        within_tenth=report.errors.within_tenth,
        geomean_ratio=report.errors.geomean_ratio,
        low_ratio=min(ratios),
        high_ratio=max(ratios),
        spearman=report.errors.spearman,
        others=report.others,
    )


def _means(target: str) -> Means:
    hardware = find_hardware(target)
    served = ("layers", "fitted") if isinstance(hardware, FittedNpu) else ("zigzag", "simulated")
    return choose(Asked(hardware), *served)


def _point(row: NpuRow, profiled: Mapping[str, object]) -> NpuPoint:
    simulated = float(str(profiled["latency_ms"]))
    return NpuPoint(
        published=row.published,
        network=row.network,
        input=str(profiled["input"]),
        published_ms=row.milliseconds,
        simulated_ms=simulated,
        ratio=simulated / row.milliseconds,
        macs=int(str(profiled["macs"])),
        params=int(str(profiled["params"])),
    )


def _report(
    target: str, row: NpuRow, points: tuple[NpuPoint, ...], fitted: bool, others: int, skipped: dict[str, str]
) -> NpuReport:
    published, simulated = [one.published_ms for one in points], [one.simulated_ms for one in points]
    like = row.known.target == target
    return NpuReport(
        target=target,
        device=row.device,
        like=like,
        fitted=fitted,
        others=0 if fitted else others,
        skipped=skipped,
        throughput=row.known.throughput,
        n=len(points),
        spearman=rank_correlation(simulated, published),
        spearman_macs=rank_correlation([one.macs for one in points], published),
        errors=accuracy(simulated, published) if like and not row.known.throughput else None,
        points=points,
    )
