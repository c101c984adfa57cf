"""Latency of the suite's kernels against other CPU runtimes, on this machine.

    python benchmarks/kernels.py --models mobilenetv2_100 resnet18 --threads 1 2
    python benchmarks/kernels.py --sampled 20 --rounds 1 --save kernels.jsonl

Batch 1, float32, the same number of threads for all, every network re-parameterised where its blocks can be. Every
engine and network has a process of its own, which compares the output with torch's before it times it. `--sampled N`
adds N networks of each block family; there an engine's process walks through the networks of one family. Networks
take turns in random order, and so do the engines on one network, one right after another. Our kernels are compiled
before all that, on all cores. The table gives the median of the processes' medians, and the median over rounds of ours
divided by theirs. Needs the extra `[peers]`, and a C++ compiler for torch.compile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from latency_table import OURS, compare, table

from blockfront.cores import usable_cores
from blockfront.validation.subjects import MODELS, draw_family, preset_families

PACKAGES: dict[str, tuple[str, ...]] = {
    OURS: (),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
    "ncnn": ("ncnn", "pnnx"),
    "pytorch": (),
    "torch.compile": (),
}
WORKER = Path(__file__).with_name("engines.py")

Row = dict[str, Any]
Group = tuple[str | None, tuple[str, ...]]
"""A family, or None, and the networks that one process of each engine measures."""


@dataclass(frozen=True)
class Job:
    """What one process measures; `family` is None for a model by name."""

    engine: str
    threads: int
    round: int
    resolution: int
    family: str | None
    networks: tuple[str, ...]

    def row(self, network: str) -> Row:
        """What identifies a measurement of this job."""
        named = {"engine": self.engine, "network": network, "family": self.family}
        return named | {"threads": self.threads, "round": self.round, "resolution": self.resolution}


def plan(groups: list[Group], engines: list[str], arguments: argparse.Namespace) -> list[Job]:
    """All processes in the order they run."""
    turns = [(threads, *group) for threads in arguments.threads for group in groups]
    rng = random.Random(0)
    return [
        Job(engine, threads, number, arguments.resolution, family, networks)
        for number in range(arguments.rounds)
        for threads, family, networks in rng.sample(turns, len(turns))
        for engine in rng.sample(engines, len(engines))
    ]


def run(job: Job, networks: list[str]) -> Iterator[Row]:
    """A row a network; one that ends its process gets the reason as `error`, the rest another process."""
    variables = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TVM_NUM_THREADS"), str(job.threads))
    while networks:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "rows.jsonl")
            file.touch()
            command = [sys.executable, str(WORKER), job.engine, str(job.threads), str(job.resolution), str(file)]
            command += networks
            done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
            found = [json.loads(line) for line in file.read_text().splitlines()]
        yield from (job.row(network) | row for network, row in zip(networks, found, strict=False))
        networks = networks[len(found) :]
        if networks:
            yield job.row(networks[0]) | {"error": _reason(done)}
            networks = networks[1:]


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name}"
    lines = done.stderr.split("\n")
    overdue = [line for line in lines if line.startswith("Timeout (")]
    return (overdue or [line for line in lines if line.strip()] or ["no message"])[-1]


def measure(jobs: list[Job], save: Path | None, run: Callable[[Job, list[str]], Iterator[Row]] = run) -> list[Row]:
    """The rows of all jobs; those that `save` holds are taken from there, new ones are added to it."""
    known = _known(save)
    rows = []
    for number, job in enumerate(jobs, 1):
        kept = [known[key] for network in job.networks if (key := _key(job.row(network))) in known]
        rows += kept
        left = [network for network in job.networks if _key(job.row(network)) not in known]
        for row in run(job, left):
            rows.append(row)
            said = f"failed: {row['error']}" if "error" in row else f"{row['median_ms']:.2f} ms"
            if row.get("threads_used", job.threads) < job.threads:
                said += f" with only {row['threads_used']} thread(s) at work"
            print(f"{number}/{len(jobs)} {job.engine:13} {job.threads}T {row['network']} {said}", file=sys.stderr)
            if save:
                with save.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return rows


def compile_ahead(jobs: list[Job], save: Path | None) -> None:
    """Fill the kernel cache on all cores, so that processes which measure one at a time need not."""
    known = _known(save)
    calls = {
        (network, job.resolution, job.threads)
        for job in jobs
        for network in job.networks
        if job.engine == OURS and _key(job.row(network)) not in known
    }
    if not calls:
        return
    print(f"compiling {len(calls)} networks", file=sys.stderr)
    # What fails here is told where it is measured.
    with suppress(BrokenProcessPool), ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(_compile, *zip(*sorted(calls), strict=True)))


def _compile(network: str, resolution: int, threads: int) -> None:
    from engines import prepare

    with suppress(Exception):
        prepare(OURS, network, resolution, threads)


def _known(save: Path | None) -> dict[tuple[Any, ...], Row]:
    if save is None or not save.exists():
        return {}
    rows = [json.loads(line) for line in save.read_text().splitlines()]
    return {_key(row): row for row in rows if "error" not in row}


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("engine", "network", "threads", "round", "resolution"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=MODELS, help="names known to timm or torchvision")
    parser.add_argument("--sampled", type=int, default=0, metavar="N", help="networks of each block family, too")
    parser.add_argument("--families", nargs="+", default=[], help="only these families are sampled")
    parser.add_argument("--engines", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    parser.add_argument("--threads", nargs="+", type=int, choices=range(1, usable_cores() + 1), default=[1, 2])
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3, help="processes an engine and network")
    parser.add_argument("--save", type=Path, help="JSON lines, added to as they come; what it holds is not repeated")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from networks import find

    from blockfront.errors import UsageError

    engines = [engine for engine in PACKAGES if engine in arguments.engines]
    missing = [name for engine in engines for name in PACKAGES[engine] if find_spec(name) is None]
    if missing:
        parser.error(f"{', '.join(missing)} missing: pip install -e '.[peers]', or leave engines out")
    groups: list[Group] = [(None, (model,)) for model in dict.fromkeys(arguments.models)]
    try:
        for _, (model,) in groups:
            find(model, arguments.resolution)
        if arguments.sampled:
            spaces = preset_families(arguments.resolution)
            for family in arguments.families or spaces:
                groups.append((family, tuple(draw_family(family, spaces[family], arguments.sampled))))
    except UsageError as error:
        parser.error(str(error))
    jobs = plan(groups, engines, arguments)
    compile_ahead(jobs, arguments.save)
    cells = compare(measure(jobs, arguments.save))
    print(json.dumps([asdict(cell) for cell in cells]) if arguments.json else table(cells, engines))


if __name__ == "__main__":
    main()
