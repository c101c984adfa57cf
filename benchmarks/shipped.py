"""The table of predicted latencies that comes with the package: timm's networks on every Arm processor.

    python benchmarks/shipped.py --storage shipped.db [--targets rpi5 rk3588] [--models 'mobilenet*'] [--max-gmacs 5]

Each processor and number of threads is a study of known networks, so the same command goes on where it was stopped, and
the table is written after each. Processors with the same core and caches stand beside each other: kernels and their
profiles are kept by what they are, so that each distinct code is compiled, and emulated on distinct caches, once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

from zoo import macs_on_meta

from blockfront.console.progress import choose_progress
from blockfront.design_space.listing import expand
from blockfront.errors import UsageError
from blockfront.results.trial import read_parts
from blockfront.study.storage import open_study, opened, own_studies
from blockfront.study.trials import network_trials
from blockfront.sweep.request import Request, SweepPlan, resolve
from blockfront.sweep.run import run_sweep
from blockfront.sweep.shipped import made_by, shipped_row, write_table
from blockfront.targets import HARDWARE, Processor, find_hardware


def arm_processors() -> list[Processor]:
    """Arm's of the catalogue, those of the same core and caches beside each other."""
    found = [HARDWARE[name] for name in HARDWARE]
    arm = [one for one in found if isinstance(one, Processor) and one.architecture == "aarch64"]
    return sorted(arm, key=lambda one: (str(one.tvm_target["mcpu"]), one.l2_bytes, one.l3_bytes, one.name))


def networks_within(patterns: list[str], max_gmacs: float) -> Iterator[str]:
    """Names of the models that fit the patterns and take at most so many MACs; one that torch cannot count is said."""
    for name in expand(patterns):
        macs = macs_on_meta(name)
        if macs is None:
            print(f"left out: {name} does not run on torch's meta device", flush=True)
        elif macs <= max_gmacs * 1e9:
            yield name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", default="shipped.db")
    parser.add_argument("--targets", nargs="*", default=[one.name for one in arm_processors()])
    parser.add_argument("--models", nargs="*", default=["*"])
    parser.add_argument("--max-gmacs", type=float, default=5)
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    names = tuple(networks_within(asked.models, asked.max_gmacs))
    print(f"{len(names)} networks, {len(asked.targets)} processors", flush=True)
    for target in asked.targets:
        cores = find_hardware(target).check_threads(None)
        for threads in sorted({1, cores or 1}):
            start = time.monotonic()
            try:
                plan = _plan(asked, names, target, threads)
            except UsageError as error:
                print(f"left out: {error}", flush=True)
                continue
            done = run_sweep(plan, choose_progress(quiet=False), table=None)
            print(f"{plan.study}: {done.worked_on} networks in {time.monotonic() - start:.0f} s", flush=True)
            write_table(list(_rows(asked.storage)))


def _plan(asked: argparse.Namespace, names: tuple[str, ...], target: str, threads: int) -> SweepPlan:
    """Its study is named for what makes the latencies, so that none of older rules is in it."""
    request = Request(
        models=names,
        target=target,
        threads=threads,
        runner="emulated",
        train=False,
        storage=asked.storage,
        workers=asked.workers,
    )
    maker = made_by(resolve(request).means)
    return resolve(replace(request, study=f"{target}-t{threads}-{maker}"))


def _rows(storage: str) -> Iterator[dict[str, object]]:
    """The rows of every finished network of the storage, whatever made them: what is stale is never quoted."""
    with opened(storage) as found:
        for name in own_studies(found):
            for trial in network_trials(open_study(found, name)):
                parts = read_parts(trial.user_attrs, "cost", "latency") if trial.state.name == "COMPLETE" else {}
                if parts:
                    yield shipped_row(trial.user_attrs["network"], **parts, maker=name.rpartition("-")[2])


if __name__ == "__main__":
    main()
