"""Simulated against published latencies of NPUs: `bench validate accelerators`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockfront.console.progress import Progress, choose_progress
from blockfront.design_space.models import ImageSize, find_model
from blockfront.services.profile import profile_model
from blockfront.targets import Asked, Means, Predicts, choose, find_hardware
from blockfront.targets.latency.accelerators.judgements import Judgement
from blockfront.validation.accuracy import Accuracy, accuracy, rank_correlation
from blockfront.validation.npu_networks import DEVICES, SAME, UNMATCHED, NpuDevice, npu_device
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
    published figures are throughputs: ranks alone are then compared."""

    target: str
    device: str
    like: bool
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
    """Every network of `rows` simulated on each target, against each device's published latencies.

    What was simulated once is kept, layer by layer. Raises UsageError where ZigZag is not installed.
    """
    reports, quiet = [], choose_progress(quiet=True)
    for target in targets:
        means = _means(target)
        wanted = sorted({(row.network, row.resolution) for row in rows}, key=str)
        found = {}
        with progress.stage(f"simulate on {target}", len(wanted)) as advance:
            for network, resolution in wanted:
                size = ImageSize(resolution, resolution)
                found[network, resolution] = profile_model(find_model(network, size), means, quiet)
                advance()
        for device in dict.fromkeys(row.device for row in rows):
            of_device = [row for row in rows if row.device == device]
            points = tuple(_point(row, found[row.network, row.resolution]) for row in of_device)
            reports.append(_report(target, of_device[0], points))
    return reports


def judgement_of(report: NpuReport) -> Judgement | None:
    """What rows of the target state from then on; None where the report has no errors."""
    if report.errors is None:
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
    )


def _means(target: str) -> Means:
    return choose(Asked(find_hardware(target)), "zigzag", "simulated")


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


def _report(target: str, row: NpuRow, points: tuple[NpuPoint, ...]) -> NpuReport:
    published, simulated = [one.published_ms for one in points], [one.simulated_ms for one in points]
    like = row.known.target == target
    return NpuReport(
        target=target,
        device=row.device,
        like=like,
        throughput=row.known.throughput,
        n=len(points),
        spearman=rank_correlation(simulated, published),
        spearman_macs=rank_correlation([one.macs for one in points], published),
        errors=accuracy(simulated, published) if like and not row.known.throughput else None,
        points=points,
    )
