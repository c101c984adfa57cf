"""SIGKILLs at random moments: whatever process they hit, a study ends with the rows of an undisturbed run.

    python benchmarks/kills.py --kills 24 --seed 0

Sweeps a few small networks again and again, each sweep into a storage of its own, and kills the orchestrator, which is
the scheduler too, or one of the workers, at moments that follow from the seed; the same command is started again until
the study is finished. Ends with an error for rows that differ, for a training that was kept and came out anew, and for
a process that is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil

import blockfront
from blockfront.errors import UsageError

SPACE = """
from blockfront.design_space import DesignSpace, Stage, choice, integer

space = DesignSpace(
    "tiny",
    resolution=32,
    num_classes=10,
    stem=8,
    family=choice("ds", "ir"),
    stages=[Stage(depth=integer(1, 2), width=integer(8, 32, step=8), stride=2) for _ in range(2)],
)
"""
STUDY = "tiny-rk3399"
ALIKE = ["network_id", "state", "latency_ms", "macs", "top1", "epochs"]


def _start(folder: Path, n: int, storage: str) -> subprocess.Popen[str]:
    words = (
        f"sample --n {n} --target rk3399 --space tiny.py:space --runner roofline --dataset digits --epochs 3 --quiet"
    )
    return subprocess.Popen(
        [sys.executable, "-m", "blockfront", *words.split(), "--storage", storage],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _rows(folder: Path, storage: str) -> pd.DataFrame:
    try:
        return blockfront.load(STUDY, str(folder / storage))
    except UsageError:  # There is no study yet.
        return pd.DataFrame(columns=["network_id", "top1", "train_seconds"])


def _trained(rows: pd.DataFrame) -> dict[str, float]:
    """Seconds that each kept training took, which tell it from another one of the same network."""
    rows = rows[rows["top1"].notna()]
    return dict(zip(rows["network_id"], rows["train_seconds"], strict=True))


def _kill(process: subprocess.Popen[str], victim: str, moments: random.Random) -> str:
    """Kill the victim, or the orchestrator where there is no worker; says which it was."""
    if victim == "worker":
        with suppress(psutil.NoSuchProcess):
            servers = psutil.Process(process.pid).children()
            workers = [worker for server in servers for worker in server.children()]
            if workers:
                moments.choice(workers).kill()
                return victim
    process.send_signal(signal.SIGKILL)
    return "orchestrator"


def _left_over(family: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(family, timeout=60)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--n", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    kills: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.py").write_text(SPACE)
        start = time.monotonic()
        with _start(folder, arguments.n, "undisturbed.db") as process:
            errors = process.communicate()[1]
        if process.returncode != 0:
            sys.exit(f"the undisturbed run failed: {errors}")
        seconds = time.monotonic() - start
        undisturbed = _rows(folder, "undisturbed.db")
        studies = 0
        while kills.total() < arguments.kills:
            storage, kept = f"{studies}.db", dict[str, float]()
            while True:
                with _start(folder, arguments.n, storage) as process:
                    family: list[psutil.Process] = []
                    if kills.total() < arguments.kills:
                        with suppress(subprocess.TimeoutExpired):
                            process.wait(moments.uniform(0, seconds))
                        if process.poll() is None:
                            with suppress(psutil.NoSuchProcess):
                                family = psutil.Process(process.pid).children(recursive=True)
                            kills[_kill(process, moments.choice(("orchestrator", "worker")), moments)] += 1
                    errors = process.communicate()[1]
                if left := _left_over(family):
                    sys.exit(f"left over after a kill: {left}")
                rows = _rows(folder, storage)
                if not kept.items() <= _trained(rows).items():
                    sys.exit("a training that was kept came out anew")
                kept = _trained(rows)
                if process.returncode == 0:
                    break
                if process.returncode != -signal.SIGKILL:
                    sys.exit(f"it ended with {process.returncode}: {errors}")
            if not rows[ALIKE].equals(undisturbed[ALIKE]):
                sys.exit(f"rows differ from those of the undisturbed run:\n{rows[ALIKE]}\n{undisturbed[ALIKE]}")
            studies += 1
    print(f"{kills.total()} kills ({dict(kills)}) over {studies} studies: all rows are those of an undisturbed run")


if __name__ == "__main__":
    main()
