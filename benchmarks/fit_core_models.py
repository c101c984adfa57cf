"""Fit the kept core models anew on a table of published latencies.

Writes targets/latency/prediction/core_models.json.

    python benchmarks/fit_core_models.py

Profiles come from the cache folder, or from ncnn under emulation: an hour the first time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from blockfront.console.progress import choose_progress
from blockfront.targets.latency.prediction.core_models import FILE
from blockfront.validation.published import OWN, read_published
from blockfront.validation.published_boards import observations_of
from blockfront.validation.refit import refit


def main() -> None:
    """Read, profile, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=OWN)
    parser.add_argument("--networks", nargs="*", help="only these networks")
    parser.add_argument("--kept", action="store_true", help="only what was profiled before")
    arguments = parser.parse_args()
    rows, progress = read_published(arguments.data), choose_progress(quiet=False)
    observations, _ = observations_of(rows, progress, arguments.networks, arguments.kept)
    models = refit(observations)
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(models), indent=1) + b"\n")
    for model in models:
        print(model.core, *(f"{one.threads}: {one}" for one in model.errors), sep="\n  ")


if __name__ == "__main__":
    main()
