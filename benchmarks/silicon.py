"""What the choice of network is worth on an NPU that exists, by published latencies and published accuracies alone.

    python benchmarks/silicon.py --figure silicon.html

Reads ST's rows of `blockfront/validation/published_accelerators.csv` that have an ImageNet top-1 in float32 and in
int8: one chip, one version of software, 224 pixels. A network's factor is how many times as long it takes as the
fastest network of another family that is at least as accurate, which understates it where that rival is far more
accurate. A published network is one, so its interval covers the test images (a top-1 is a share of 50,000) and nothing
else. Beside it, networks that ncnn's benchmark has too, relative to MobileNetV2 on that NPU and on one Cortex-A72 of an
RK3399. docs/claim.md says what comes out.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.analysis import plot_targets
from blockfront.console.tables import print_line, print_table
from blockfront.results import interval95
from blockfront.validation.accelerators import NPU_COLUMNS, OWN_NPUS
from blockfront.validation.published import OWN, read_published, read_times

CHIP, SOFTWARE = "STM32N6", "ST Edge AI Core 3"
TOP1 = re.compile(r"top-1 float/int8 ([\d.]+)/([\d.]+) %")
IMAGES = 50_000
FORMATS = ("float32", "int8")
FAMILIES = {
    "fdmobilenet": "FD-MobileNet",
    "mobilenetv2": "MobileNetV2",
    "mobilenet": "MobileNetV1",
    "shufflenetv2": "ShuffleNetV2",
    "st_resnet": "ST-ResNet",
    "preresnet18": "PreResNet-18",
    "mnasnet": "MnasNet",
    "semnasnet": "SE-MnasNet",
    "proxylessnas": "ProxylessNAS",
}
"""By how a published name begins; of two that fit the first."""
DRAWS = 4000
ON_BOTH = {
    "mobilenet_v1_1.0": "mobilenet",
    "mobilenetv2b_a100": "mobilenet_v2",
    "shufflenetv2b_x100": "shufflenet_v2",
    "proxylessnas": "proxylessnasnet",
}
"""ST's name of a network that ncnn's benchmark has too."""


@dataclass(frozen=True)
class Silicon:
    """Networks of one chip: names, families, milliseconds, and top-1 as shares by number format."""

    names: tuple[str, ...]
    families: NDArray[np.str_]
    milliseconds: NDArray[np.float64]
    top1: dict[str, NDArray[np.float64]]


def read_silicon(path: Path) -> Silicon:
    """The rows of `CHIP` and `SOFTWARE` that have both accuracies; raises `KeyError` for a family without a name."""
    rows = [
        (row["model"], milliseconds, found)
        for row, milliseconds in read_times(path, NPU_COLUMNS)
        if row["chip"].startswith(CHIP)
        and row["software"].startswith(SOFTWARE)
        and (found := TOP1.search(row["source"]))
    ]
    return Silicon(
        names=tuple(name for name, _, _ in rows),
        families=np.array([family_of(name) for name, _, _ in rows]),
        milliseconds=np.array([milliseconds for _, milliseconds, _ in rows]),
        top1={
            form: np.array([float(found[place]) / 100 for *_, found in rows]) for place, form in enumerate(FORMATS, 1)
        },
    )


def family_of(name: str) -> str:
    """The family of a network by ST's name."""
    return FAMILIES[next(prefix for prefix in FAMILIES if name.startswith(prefix))]


def factors(silicon: Silicon, form: str) -> NDArray[np.float64]:
    """How many times the latency of the fastest network of another family that is at least as accurate each takes.

    (n, 3): the factor, and the ends of its 95 % interval over draws of the accuracies; NaN where no other family is as
    accurate.
    """
    top1, milliseconds = silicon.top1[form], silicon.milliseconds
    noise = np.random.default_rng(0).standard_normal((DRAWS, len(top1)))
    drawn = np.vstack([top1, top1 + noise * np.sqrt(top1 * (1 - top1) / IMAGES)])
    others = silicon.families[:, None] != silicon.families[None]
    as_good = (drawn[:, None, :] >= drawn[:, :, None]) & others
    rival = np.where(as_good, milliseconds, np.inf).min(axis=2)
    found = np.where(np.isfinite(rival), milliseconds / rival, np.nan)
    ends = np.array([interval95(found[1:, place]) for place in range(len(top1))])
    return np.column_stack([found[0], np.where(np.isnan(found[0])[:, None], np.nan, ends)])


def draw(silicon: Silicon, file: Path) -> None:
    """Accuracy against latency in both formats, the families' fronts as step lines, as a page."""
    frames = {
        f"{CHIP}, top-1 in {form}": pd.DataFrame(
            {
                "study": form,
                "state": "complete",
                "network_id": silicon.names,
                "family": silicon.families,
                "latency_ms": silicon.milliseconds,
                "top1": silicon.top1[form],
                "target": CHIP,
                "latency_source": "measured elsewhere",
            }
        )
        for form in FORMATS
    }
    plot_targets(frames).update_layout(width=1440, height=560).write_html(file, config={"displayModeBar": False})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=OWN_NPUS)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    silicon = read_silicon(arguments.data)
    found = {form: factors(silicon, form) for form in FORMATS}
    order = np.lexsort((silicon.milliseconds, silicon.families))
    print_table(
        ["family", "network", "ms", *(f"{what} {form}" for form in FORMATS for what in ("top-1 %", "factor"))],
        [
            (
                silicon.families[place],
                silicon.names[place],
                f"{silicon.milliseconds[place]:.2f}",
                *(
                    cell
                    for form in FORMATS
                    for cell in (f"{100 * silicon.top1[form][place]:.2f}", _factor(*found[form][place]))
                ),
            )
            for place in order
        ],
    )
    print_line()
    print_table(["network", f"ms {CHIP}, int8", "of MobileNetV2", "ms Cortex-A72, float32", "of MobileNetV2"], _both())
    if arguments.figure:
        draw(silicon, arguments.figure)


def _factor(value: float, low: float, high: float) -> str:
    return "no rival" if np.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _both() -> list[tuple[str, ...]]:
    """Networks that both tables have, each relative to MobileNetV2 there."""
    npu = {row["model"]: value for row, value in read_times(OWN_NPUS, NPU_COLUMNS) if row["chip"].startswith(CHIP)}
    cores = {
        row.model: row.milliseconds
        for row in read_published(OWN)
        if (row.device, row.cores_threads, row.precision) == ("NanoPC-T4", "1T big cores", "fp32")
    }
    first, second = "mobilenetv2b_a100", "mobilenet_v2"
    return [
        (
            name,
            f"{npu[name]:.2f}",
            f"{npu[name] / npu[first]:.2f}",
            f"{cores[own]:.1f}",
            f"{cores[own] / cores[second]:.2f}",
        )
        for name, own in ON_BOTH.items()
    ]


if __name__ == "__main__":
    main()
