"""Predicted latencies of networks in float32, float16 and int8, one thread of each core: the table of docs/float16.md.

    python benchmarks/precisions.py --targets rpi4 rpi5 --models mobilenetv2_100 resnet18 --save precisions.jsonl

Each line of the file is a network on a target in a number format; the same command goes on where it stopped, and ends
with the table. Networks are prepared as `bench profile` does, and compared with torch.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from blockfront.design_space.models import find_model
from blockfront.errors import RunError, UsageError
from blockfront.services.profile import prepare
from blockfront.targets import Asked, choose, find_hardware
from blockfront.validation.subjects import MODELS

FORMATS = ("float32", "float16", "int8")
TARGETS = ("rpi4", "rpi5", "rk3588", "rk3399")


def predict(model: str, target: str, form: str) -> dict[str, Any]:
    """A line: the milliseconds, and what the outputs are off by; or why there are none."""
    row: dict[str, Any] = {"model": model, "target": target, "precision": form}
    try:
        means = choose(Asked(find_hardware(target), 1, form), "tvm", "emulated")
        prepared = prepare(find_model(model), means.toolchain, means.options).prepared
        latency = means.latency(prepared)
    except (RunError, UsageError) as error:
        return {**row, "error": str(error)}
    errors = {"error_of_torch": latency.torch_rel_error, "error_of_code": latency.max_rel_error}
    return {**row, "ms": latency.median_ms, **errors}


def table(rows: list[dict[str, Any]], models: list[str], targets: list[str]) -> str:
    """Milliseconds of float32, and what each other format takes of them."""
    known = {(row["model"], row["target"], row["precision"]): row.get("ms") for row in rows}
    lines = [f"| network | {' | '.join(targets)} |", f"|---|{'---|' * len(targets)}"]
    for model in models:
        cells = []
        for target in targets:
            plain, *others = (known.get((model, target, form)) for form in FORMATS)
            shares = [f"{ms / plain:.2f}" if ms and plain else "-" for ms in others]
            cells.append(" · ".join([f"{plain:.1f}" if plain else "-", *shares]))
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Predict what the file lacks, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--save", type=Path, default=Path("precisions.jsonl"))
    asked = parser.parse_args()
    asked.save.touch()
    rows = [json.loads(line) for line in asked.save.read_text().splitlines()]
    done = {(row["model"], row["target"], row["precision"]) for row in rows}
    for job in ((m, t, form) for m in asked.models for t in asked.targets for form in FORMATS):
        if job not in done:
            rows.append(predict(*job))
            with asked.save.open("a") as file:
                print(json.dumps(rows[-1]), file=file)
    print(table(rows, asked.models, asked.targets))


if __name__ == "__main__":
    main()
