"""What `pretrained_tokens.py` keeps as lines of a file, and what these say as a table and as a figure."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from intervals import mean_change

FROZEN = "as they are"
"""The phase in which the transformer's weights are not trained."""
Row = dict[str, Any]


class Rows:
    """Lines of a file, each the result of one key; what is there is not computed again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def find(self, **key: Any) -> Row | None:
        return next((row for row in self.rows if all(row.get(name) == value for name, value in key.items())), None)

    def beside(self, name: str) -> Path:
        """A file of tensors that goes with the lines."""
        return self.path.with_name(f"{self.path.stem}-{name}.pt")

    def add(self, row: Row) -> None:
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)


def summary(rows: Rows) -> list[Row]:
    """A row a phase, target and method: mean top-1, the change from the plain network with its interval, times."""
    found = []
    scored = [row for row in rows.rows if "top1" in row]
    for phase, target, method in sorted({(row["phase"], -row["target"], row["method"]) for row in scored}):
        its = [row for row in scored if (row["phase"], -row["target"], row["method"]) == (phase, target, method)]
        plain = {seed: rows.find(phase=phase, method="plain", seed=seed) for seed in (row["seed"] for row in its)}
        changes = [100 * (row["top1"] - one["top1"]) for row in its if (one := plain[row["seed"]]) is not None]
        key = {"method": method, "target": -target}
        times = {row["device"]: row["ms"] for row in rows.rows if "ms" in row and key.items() <= row.items()}
        found.append(
            {
                "phase": phase,
                **key,
                "seeds": len(its),
                "ms": times,
                "change": mean_change(changes, fewest=3),
                "points": statistics.mean(changes),
            }
            | {name: statistics.mean(row[name] for row in its) for name in ("top1", "share")}
        )
    return found


def table(rows: Rows) -> str:
    """The summary in Markdown."""
    found = summary(rows)
    devices = sorted({device for row in found for device in row["ms"]})
    heads = ["weights", "method", "share of MACs", "seeds", "top-1 %", "change, points", *(f"ms, {d}" for d in devices)]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in found:
        times = [f"{row['ms'][device]:.1f}" if device in row["ms"] else "" for device in devices]
        cells = [row["phase"], row["method"], f"{row['share']:.3f}", row["seeds"], f"{100 * row['top1']:.1f}"]
        lines.append(f"| {' | '.join(map(str, [*cells, row['change'], *times]))} |")
    return "\n".join(lines)


def draw(found: list[Row], device: str, path: Path) -> None:
    """What methods cost in points against predicted latency: a line a method, from the plain network on."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(
        xlabel=f"predicted latency on {device}, 1 thread, ms", ylabel="top-1 less the plain network's, points"
    )
    shown = [row for row in found if row["phase"] == FROZEN and device in row["ms"]]
    plain = [row for row in shown if row["method"] == "plain"]
    for method in dict.fromkeys(row["method"] for row in shown if row["method"] != "plain"):
        its = sorted([*plain, *(row for row in shown if row["method"] == method)], key=lambda row: row["ms"][device])
        axes.plot([row["ms"][device] for row in its], [row["points"] for row in its], marker="o", label=method)
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
