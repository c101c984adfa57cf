"""SIGKILLs at random moments: whatever process they hit, a study ends with the rows of an undisturbed run.

    python benchmarks/kills.py --kills 24 --seed 0 [--kind detection]

Sweeps a few small networks of a kind again and again, each sweep into a storage of its own, and kills workers and then
the orchestrator, which is the scheduler too, at moments that follow from the seed; the same command is started again
until the study is finished. Ends with an error for rows that differ, for a training that was kept and came out anew,
and for a process that is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil

import blockfront
from blockfront.errors import UsageError
from blockfront.tasks import TASKS
from blockfront.training.scene_masks import write_masked_scenes
from blockfront.training.scenes import write_scenes

SPACES = Path(__file__).with_name("tiny.py")
STUDY = "kills"
ALIKE = ["network_id", "state", "latency_ms", "macs", "epochs", "total_ms", "token_counts"]
IMAGES = {"train": 48, "val": 8}
_CLASSES = ("--dataset", "digits", "--epochs", "3")
_BOXES = ("--dataset", "coco:scenes", "--epochs", "3", "--set", "batch_size=8")
_PIXELS = ("--dataset", "masks:masked", "--epochs", "3", "--set", "batch_size=8")
KINDS = {
    "classification": ("space", _CLASSES),
    "int8": ("space", (*_CLASSES, "--precision", "int8")),
    "qat": ("space", (*_CLASSES, "--precision", "int8", "--quantize", "qat")),
    "seeds": ("space", (*_CLASSES, "--train-seeds", "2")),
    "budget": ("space", (*_CLASSES, "--budget", "front")),
    "tokens": ("transformers", _CLASSES),
    "detection": ("detectors", _BOXES),
    "pruned": ("detectors", (*_BOXES, "--prune", "0.02")),
    "instances": ("instances", ("--dataset", "coco_instances:scenes", *_BOXES[2:])),
    "segmentation": ("segmenters", _PIXELS),
    "vit_detection": ("vit_detectors", _BOXES),
    "vit_segmentation": ("vit_segmenters", _PIXELS),
}
"""For each kind its space of `tiny.py`, and how its networks are trained."""
GROWING = ("seeds", "budget")
"""Kinds whose networks are trained in several parts, of which a row has the sum."""
WORKERS = 2
"""Killed at most before the orchestrator is: a network whose worker ends three times is its own fault."""


@dataclass(frozen=True)
class Sweeps:
    """Sweeps over `n` networks of a kind, in a folder that has its space and data, each into a storage of its own."""

    folder: Path
    n: int
    kind: str = "classification"

    def __post_init__(self) -> None:
        shutil.copyfile(SPACES, self.folder / SPACES.name)
        _, (_, dataset, *_) = KINDS[self.kind]
        if "scenes" in dataset:
            write_scenes(self.folder / "scenes", IMAGES, masks=True)
        elif "masked" in dataset:
            write_masked_scenes(self.folder / "masked", IMAGES)

    def start(self, storage: str) -> subprocess.Popen[str]:
        """A sweep that goes on by itself."""
        space, training = KINDS[self.kind]
        words = f"sample --n {self.n} --target rk3399 --space {SPACES.name}:{space} --runner roofline --quiet".split()
        return subprocess.Popen(
            [sys.executable, "-m", "blockfront", *words, *training, "--study", STUDY, "--storage", storage],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rows(self, storage: str) -> pd.DataFrame:
        """What a study has by now."""
        try:
            return blockfront.load(STUDY, str(self.folder / storage))
        except UsageError:  # There is no study yet.
            return pd.DataFrame(columns=["network_id", "state", "train_seconds"])


def kill_sweeps(sweeps: Sweeps, kills: int, seed: int) -> tuple[Counter[str], int]:
    """Kill so many processes and finish every study: what was killed how often, and the number of studies.

    Raises RuntimeError for a study that ends otherwise than one that nobody disturbs, and for a process left over.
    """
    moments, killed = random.Random(seed), Counter[str]()
    start = time.monotonic()
    with sweeps.start("undisturbed.db") as process:
        errors = process.communicate()[1]
    if process.returncode != 0:
        raise RuntimeError(f"the undisturbed run failed: {errors}")
    seconds = time.monotonic() - start
    undisturbed = sweeps.rows("undisturbed.db")
    alike = [*ALIKE, *TASKS[undisturbed["task"][0]].metrics]
    studies = 0
    while killed.total() < kills:
        study = f"{studies}.db"
        _finish(sweeps, study, kills, seconds, moments, killed)
        rows = sweeps.rows(study)
        if not rows[alike].equals(undisturbed[alike]):
            raise RuntimeError(f"rows differ from those of the undisturbed run:\n{rows[alike]}\n{undisturbed[alike]}")
        studies += 1
    return killed, studies


def _finish(
    sweeps: Sweeps, storage: str, kills: int, seconds: float, moments: random.Random, killed: Counter[str]
) -> None:
    """Start a sweep until it ends by itself, and kill while there is something to."""
    kept: dict[str, float] = {}
    while True:
        with sweeps.start(storage) as process:
            family: set[psutil.Process] = set()
            workers = moments.randint(0, WORKERS)
            for victim in (*["worker"] * workers, "orchestrator"):
                while victim == "worker" and process.poll() is None and not _workers(process):
                    time.sleep(0.02)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(moments.uniform(0, seconds / 4 if workers else seconds))
                if process.poll() is not None or killed.total() >= kills:
                    break
                with suppress(psutil.NoSuchProcess):
                    family |= set(psutil.Process(process.pid).children(recursive=True))
                if _kill(process, victim, moments):
                    killed[victim] += 1
            errors = process.communicate()[1]
        if left := psutil.wait_procs(family, timeout=60)[1]:
            raise RuntimeError(f"left over after a kill: {left}")
        rows = sweeps.rows(storage)
        trained = _trained(rows[rows["state"] == "complete"] if sweeps.kind in GROWING else rows)
        if not kept.items() <= trained.items():
            raise RuntimeError("a training that was kept came out anew")
        kept = trained
        if process.returncode == 0:
            return
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"it ended with {process.returncode}: {errors}")


def _trained(rows: pd.DataFrame) -> dict[str, float]:
    """Seconds that each kept training took, which tell it from another one of the same network."""
    rows = rows[rows["train_seconds"].notna()]
    return dict(zip(rows["network_id"], rows["train_seconds"], strict=True))


def _kill(process: subprocess.Popen[str], victim: str, moments: random.Random) -> bool:
    """Kill the orchestrator, or a worker where there is one; says whether anything was killed."""
    if victim == "orchestrator":
        process.send_signal(signal.SIGKILL)
        return True
    with suppress(IndexError, psutil.NoSuchProcess):
        moments.choice(_workers(process)).kill()
        return True
    return False


def _workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """What the fork server of a sweep has forked by now."""
    with suppress(psutil.NoSuchProcess):
        return [worker for server in psutil.Process(process.pid).children() for worker in server.children()]
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--n", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, default="classification")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        killed, studies = kill_sweeps(Sweeps(Path(name), arguments.n, arguments.kind), arguments.kills, arguments.seed)
    print(f"{killed.total()} kills ({dict(killed)}) over {studies} studies: all rows are those of an undisturbed run")


if __name__ == "__main__":
    main()
