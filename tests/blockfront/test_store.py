"""Storages: full disks, other people's studies, passwords, claims."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest

import blockfront
from blockfront.design_space import DesignSpace, Stage, choice
from blockfront.errors import UsageError
from blockfront.results import Cost
from blockfront.study import claim
from blockfront.study.journal import Draw, Journal, keep_settings
from blockfront.study.settings import Settings
from blockfront.study.sqlite_file import checkpoint, sqlite_path
from blockfront.study.storage import hide_password, open_storage, opened, storage_exists, study_names

FILL = """
import resource, sys
from blockfront.errors import RunError
from blockfront.study.storage import opened
import optuna

with opened(sys.argv[1], create=True) as storage:
    study = optuna.create_study(study_name="full", storage=storage)
    study.ask()
    trial_id = storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name("full"), 0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    try:
        with opened(sys.argv[1], create=True) as again:
            for i in range(1000):
                again.set_trial_user_attr(trial_id, f"key{i}", "x" * 10_000)
                print(i, flush=True)
    except RunError as error:
        print(error)
        sys.exit(1)
"""


@pytest.mark.processes
def test_a_full_disk_leaves_a_study_that_opens_with_all_that_was_confirmed(tmp_path):
    storage = f"sqlite:///{tmp_path / 'bench.db'}"
    filled = subprocess.run([sys.executable, "-c", FILL, storage], capture_output=True, text=True, timeout=120)
    assert filled.returncode == 1, filled.stderr
    *confirmed, message = filled.stdout.splitlines()
    assert message.startswith(f"storage {storage} failed: ")
    assert message.endswith("run the same command again")
    assert len(confirmed) > 5
    study = optuna.load_study(study_name="full", storage=open_storage(storage))
    assert {f"key{i}" for i in confirmed} <= set(study.trials[0].user_attrs)
    study.tell(0, 1.0)
    assert study.best_value == 1.0


@pytest.mark.long
def test_a_sweep_on_a_full_disk_says_so_and_goes_on_later(commands):
    """The file-size limit of the shell stands in for a disk that is full from the start."""
    with opened(commands.storage, create=True) as storage:
        optuna.create_study(study_name="other", storage=storage)
    kilobytes = 40
    call = " ".join([sys.executable, "-m", "blockfront", *commands.sampling(1, "--no-train", "--quiet")])
    said = subprocess.run(
        ["sh", "-c", f"ulimit -f {2 * kilobytes}; exec {call}"],
        cwd=commands.folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert said.returncode == 1, said.stderr
    assert said.stderr.count("\n") == 1
    assert "run the same command again" in said.stderr

    assert commands.sample(1, "--no-train", "--quiet").returncode == 0
    assert list(blockfront.load("tiny-rk3399", commands.storage)["state"]) == ["complete"]


def test_a_study_that_others_made_is_told_apart(tmp_path):
    storage = f"sqlite:///{tmp_path / 'bench.db'}"
    with opened(storage, create=True) as opened_storage:
        study = optuna.create_study(study_name="foreign", storage=opened_storage)
        study.add_trial(optuna.trial.create_trial(value=1.0))
        assert study_names(opened_storage) == ["foreign"]
    with pytest.raises(UsageError, match="'foreign' was not made by bench"):
        blockfront.load("foreign", storage)


def test_an_empty_storage_is_told(tmp_path):
    storage = f"sqlite:///{tmp_path / 'bench.db'}"
    open_storage(storage, create=True)
    with pytest.raises(UsageError, match="holds no study yet"):
        blockfront.load("mobile-rk3399", storage)


def test_reading_a_storage_in_the_making_changes_nothing(tmp_path):
    (tmp_path / "bench.db").touch()
    with pytest.raises(UsageError, match="holds no study yet"):
        blockfront.load("mobile-rk3399", str(tmp_path / "bench.db"))
    assert (tmp_path / "bench.db").stat().st_size == 0


def test_reading_never_makes_a_file(tmp_path):
    with pytest.raises(UsageError, match="there is no storage"):
        blockfront.load("mobile-rk3399", str(tmp_path / "bench.db"))
    assert list(tmp_path.iterdir()) == []


NAMES = (
    *(
        "what?.db",
        "a#b.db",
        "50%25.db",
        "%.db",
        "two words.db",
        " blank ",
        "ünï 日本.db",
        "{x}.db",
        "a&b=c;d",
        "file:x.db",
    ),
    *("sqlite:x", "~", "-x", 'it\'s "$(x)"', "back\\slash", "?", "a@b:c", ".hidden", "x" * 247),
)
REFUSED = ("what?.db", "?")
"""What a URL cannot say, because options follow its question mark."""


@pytest.mark.parametrize("how", ["relative", "absolute", "URL", "absolute URL"])
@pytest.mark.parametrize("name", NAMES)
def test_a_storage_names_exactly_that_file_or_is_refused(name, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name if "absolute" in how else Path(name)
    storage = f"sqlite:///{path}" if "URL" in how else str(path)
    if "URL" in how and name in REFUSED:
        with pytest.raises(UsageError, match="takes no options; name it by its path"):
            sqlite_path(storage)
    else:
        assert sqlite_path(storage) == sqlite_path(hide_password(storage)) == path


@pytest.mark.parametrize("name", NAMES)
def test_the_file_that_is_named_is_the_one_that_is_made(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with opened(name, create=True) as storage:
        optuna.create_study(study_name="named", storage=storage)
        assert {file.name for file in tmp_path.iterdir()} == {name, f"{name}-wal", f"{name}-shm"}
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert storage_exists(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ":memory:",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite://x.db",
            "a://b.db",
            "folder",
            "new/",
        ),
        *(
            "nowhere/x.db",
            ".",
            "..",
            "a\nb.db",
            "a\0b.db",
            "\udcff.db",
            "x" * 248,
            "x" * 256,
            "sqlite:///x.db?timeout=9",
        ),
    ],
)
def test_what_names_no_file_is_refused_in_one_line_and_nothing_is_made(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError) as raised:
        open_storage(name, create=True)
    assert str(raised.value).isprintable()
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_file_has_that_name_wherever_it_is_opened_from_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with opened("here.db", create=True) as storage:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        storage.engine.dispose()
        optuna.create_study(study_name="named", storage=storage)
    assert list((tmp_path / "elsewhere").iterdir()) == []


STAGES = {
    "profiled": lambda journal, entry: journal.record(entry, {"accuracy_from": "another"}),
    "failed": lambda journal, entry: journal.fail(entry, "profile", "why"),
    "told": lambda journal, entry: (
        journal.record(entry, {"cost": Cost(macs=1, params=1, activations=1)}),
        journal.complete(entry),
    ),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_copy_of_the_file_alone_has_every_stage_of_every_network(stage, tmp_path):
    """While the study is open: what a process that is killed, or a copy without the log, leaves."""
    space = DesignSpace(
        "one",
        resolution=32,
        num_classes=10,
        stem=8,
        family="ds",
        stages=[Stage(depth=1, width=choice(8, 16), stride=2)],
    )
    settings = Settings(
        *("one", space.hash, {}, "rk3399", {}, "roofline", "tvm", "float32", 2, None, None, None, None, 0, "random"),
        objectives=("macs",),
    )
    with opened(str(tmp_path / "bench.db"), create=True) as storage:
        study = optuna.create_study(study_name="one", storage=storage)
        keep_settings(study, settings)
        journal = Journal(storage, study, settings)
        for index in range(2):
            entry = journal.add(space, Draw(index, *space.sample_values(0, index)))
            STAGES[stage](journal, entry)
            shutil.copy(tmp_path / "bench.db", tmp_path / "copy.db")
            kept = blockfront.load("one", str(tmp_path / "copy.db"))
            assert kept.equals(blockfront.load("one", str(tmp_path / "bench.db")))
            assert len(kept) == index + 1


def test_a_reader_does_not_stop_a_checkpoint_nor_the_other_way_round(tmp_path):
    with opened(str(tmp_path / "bench.db"), create=True) as storage:
        study = optuna.create_study(study_name="read", storage=storage)
        with closing(sqlite3.connect(tmp_path / "bench.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)
            study.ask()
            checkpoint(storage)
            assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)
        checkpoint(storage)
        shutil.copy(tmp_path / "bench.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM trials").fetchone() == (1,)


def test_a_password_is_never_shown():
    assert hide_password("postgresql://user:secret@host/name") == "postgresql://user:***@host/name"


def test_a_server_that_is_not_there_is_told_without_its_password():
    with pytest.raises(UsageError) as raised:
        open_storage("postgresql://user:secret@127.0.0.1:1/name")
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.fixture
def study(tmp_path):
    with opened(f"sqlite:///{tmp_path / 'bench.db'}", create=True) as storage:
        optuna.create_study(study_name="claimed", storage=storage)
        yield storage


def _write(storage, **changes: object) -> None:
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "started": 0.0, "beat": time.time()} | changes
    storage.set_study_user_attr(storage.get_study_id_from_name("claimed"), claim.KEY, holder)


def test_a_claim_is_held_and_given_back(study):
    for _ in range(2):
        with claim.hold(study, "claimed"), pytest.raises(UsageError, match=f"run by process {os.getpid()}"):
            claim.hold(study, "claimed").__enter__()


def test_a_claim_of_a_dead_process_here_is_taken_over(study):
    _write(study, started=1.0)
    with claim.hold(study, "claimed"):
        pass


def test_a_claim_of_another_machine_holds_while_it_is_renewed(study):
    _write(study, host="elsewhere")
    with pytest.raises(UsageError, match="on elsewhere"):
        claim.hold(study, "claimed").__enter__()
    _write(study, host="elsewhere", beat=time.time() - 2 * claim.STALE_SECONDS)
    with claim.hold(study, "claimed"):
        pass


def test_of_two_that_saw_the_study_free_one_gets_it(study):
    study_id = study.get_study_id_from_name("claimed")
    assert claim._swap(study, study_id, None, {"holder": 1})
    assert not claim._swap(study, study_id, None, {"holder": 2})
    assert study.get_study_user_attrs(study_id)[claim.KEY] == {"holder": 1}
