"""A tiny design space, the real command, and one finished study for tests that only read."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import torch

from blockfront import cli, load
from blockfront.design_space import Network
from blockfront.results import COLUMNS
from blockfront.tasks import TASKS
from blockfront.training import pack_weights, seeded

SPACE = Path(__file__).parents[2] / "benchmarks" / "tiny.py"
OPTIONS = (
    "--target",
    "rk3399",
    "--space",
    "tiny.py:space",
    "--runner",
    "roofline",
    "--dataset",
    "digits",
    "--epochs",
    "1",
)


@dataclass(frozen=True)
class Commands:
    """Runs `bench` in a folder that holds tiny.py, in processes of its own."""

    folder: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on by itself; end it or wait for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "blockfront", *arguments],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that started the tests in the background had them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command, waited for."""
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=300)
            return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def sample(self, n: int, *more: str) -> subprocess.CompletedProcess[str]:
        """`bench sample` over the tiny space."""
        return self.run(*self.sampling(n, *more))

    def sampling(self, n: int, *more: str) -> tuple[str, ...]:
        """The arguments of `sample`."""
        return ("sample", "--n", str(n), *OPTIONS, *more)

    @property
    def storage(self) -> str:
        """URL of the storage the commands write."""
        return f"sqlite:///{self.folder / 'bench.db'}"


@dataclass(frozen=True)
class Finished:
    """A study that `bench sample` finished, and what the command printed."""

    commands: Commands
    printed: subprocess.CompletedProcess[str]
    study: str = "tiny-rk3399"
    n: int = 3


def _folder(path: Path) -> Commands:
    shutil.copyfile(SPACE, path / "tiny.py")
    return Commands(path)


@pytest.fixture(scope="session")
def commands_in() -> Callable[[Path], Commands]:
    """The command in a folder that a module's tests share."""
    return _folder


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return _folder(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    commands = _folder(tmp_path_factory.mktemp("finished"))
    printed = commands.sample(Finished.n)
    assert printed.returncode == 0, printed.stderr
    return Finished(commands, printed)


def keep_changed(finished: Finished, folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Put a study into a folder's `bench.db` that has the first trial of a finished one, `change` made to what the
    trial keeps; gives the network's id."""
    study = optuna.load_study(study_name=finished.study, storage=finished.commands.storage)
    trial = copy.deepcopy(study.trials[0])
    change(trial.user_attrs)
    kept = optuna.create_study(study_name="changed", storage=Commands(folder).storage, directions=study.directions)
    for key, value in study.user_attrs.items():
        kept.set_user_attr(key, value)
    kept.add_trial(trial)
    return str(trial.user_attrs["network"]["id"])


def ignore_objects(folder: Path, images: Collection[int]) -> None:
    """Make crowds of all objects of a folder's test images with these numbers."""
    file = folder / "annotations" / "instances_val.json"
    content = json.loads(file.read_text())
    for one in content["annotations"]:
        one["iscrowd"] = int(one["iscrowd"] or one["image_id"] in images)
    file.write_text(json.dumps(content))


def write_detector(path: Path, text: str) -> torch.nn.Module:
    """The detector of a text as one whose boxes are not all alike, as those of a new head are, and a file of it."""
    with seeded(0):
        module = Network.parse(text).build()
        for name, parameter in module.named_parameters():
            if name.startswith("head.own"):
                torch.nn.init.normal_(parameter, std=0.3)
    path.write_bytes(pack_weights(module, {"network": text}))
    return module


def sweep_of_two(commands: Commands, space: str, dataset: str, workers: int = 2) -> tuple[str, str, pd.DataFrame]:
    """Two networks of a space of tiny.py, trained for an epoch: what is printed, the report, the study's rows.

    They have what holds of every network for places in pictures.
    """
    words = f"--target rk3399 --runner roofline --epochs 1 --set batch_size=8 --workers {workers} --study places"
    done = commands.run("sample", "--n", "2", "--space", f"tiny.py:{space}", "--dataset", dataset, *words.split())
    assert done.returncode == 0, done.stderr
    frame = load("places", commands.storage)
    assert (frame["state"] == "complete").all()
    assert (frame["backbone_macs"] + frame["head_macs"] == frame["macs"]).all()
    assert (frame["unscheduled_kernels"] == 0).all()
    return done.stdout, (commands.folder / "report.html").read_text(), frame


@dataclass(frozen=True)
class Said:
    """What a command in this process gave: its exit code and its two streams."""

    code: int
    output: str
    errors: str


@pytest.fixture(autouse=True)
def _what_is_registered_goes(own_registries: Callable[..., None]) -> None:
    """Columns and tasks that a test adds, or reads from a study, are gone when it ends."""
    own_registries(COLUMNS, TASKS)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in this process, in an empty folder but for tiny.py."""
    _folder(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        code = cli.run(arguments)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run
