"""Fit the kept core models anew on a table of published latencies.

Writes targets/latency/prediction/core_models.json.

    python benchmarks/fit_core_models.py [--only int8]

Profiles come from the cache folder, or from ncnn under emulation: an hour the first time, ten minutes for int8. Code in
floating point and code in int8 have models of their own; those that are not fitted stay as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from blockfront.console.progress import choose_progress
from blockfront.targets.latency.prediction.core_models import FILE, core_models
from blockfront.validation.published import OWN, read_published
from blockfront.validation.published_boards import observations_of
from blockfront.validation.refit import refit

_KINDS = ("float", "int8")


def main() -> None:
    """Read, profile, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=OWN)
    parser.add_argument("--networks", nargs="*", help="only these networks")
    parser.add_argument("--kept", action="store_true", help="only what was profiled before")
    parser.add_argument("--only", choices=_KINDS, help="only the models of this code")
    arguments = parser.parse_args()
    progress = choose_progress(quiet=False)
    kept = [model for int8 in (False, True) for model in core_models(int8=int8).values()]
    for int8 in (name == "int8" for name in _KINDS if arguments.only in (None, name)):
        rows = [row for row in read_published(arguments.data) if row.precision.startswith("int8") == int8]
        observations, _ = observations_of(rows, progress, arguments.networks, arguments.kept)
        kept = [*(model for model in kept if model.int8 != int8), *refit(observations)]
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
    for model in kept:
        print(model.core, *(f"{one.threads}: {one}" for one in model.errors), sep="\n  ")


if __name__ == "__main__":
    main()
