"""Wrong calls: one line that says what to correct, exit code 2, nothing written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from blockfront.sweep.plan import resolve
from blockfront.sweep.request import make_request

FILES = {
    "broken.py": "import no_such_module\n",
    "other.py": "from blockfront.design_space import DesignSpace, Stage\nspace = 7\n",
    "narrow.py": (
        "from blockfront.design_space import DesignSpace, Stage, integer\n"
        "space = DesignSpace('narrow', resolution=32, num_classes=10, family='ds',\n"
        "    stages=[Stage(depth=1, width=integer(8, 16, step=8), stride=2)])\n"
        "impossible = DesignSpace('impossible', resolution=32, num_classes=10, family='ds',\n"
        "    stages=[Stage(depth=1, width=integer(8, 64, step=8), stride=2)],\n"
        "    constraints={'macs': (1e12, 2e12)})\n"
        "unknown = lambda: None\n"
    ),
}


@pytest.fixture
def files(tmp_path: Path) -> set[str]:
    """User files to name, an image folder without images and a text file; gives all names in the folder."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "empty").mkdir()
    unreadable = tmp_path / "unreadable"
    for split in ("train", "val"):
        for label in ("a", "b"):
            folder = unreadable / split / label
            folder.mkdir(parents=True)
            for i in range(3):
                (folder / f"{i}.png").write_bytes(b"no picture")
    (tmp_path / "not-a-database.txt").write_text("hello\n" * 100)
    return {path.name for path in tmp_path.iterdir()} | {"tiny.py"}


@pytest.mark.emulates
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--target rk3398", ["unknown target 'rk3398'", "rk3399"]),
        ("--space mobil", ["'mobil'", "mobile"]),
        ("--dataset digit", ["unknown data set 'digit'", "digits"]),
        ("--runner rooflin", ["'rooflin'", "roofline"]),
        ("--sampler nsga", ["unknown sampler 'nsga'", "nsga2"]),
        ("--device gpu", ["unknown device 'gpu'", "cuda"]),
        ("--space broken.py:space", ["broken.py", "no_such_module"]),
        ("--space other.py:space", ["design space"]),
        ("--space narrow.py:spaces", ["narrow.py", "spaces"]),
        ("--space missing.py:space", ["missing.py"]),
        ("--space narrow.py:impossible --n 2", ["macs"]),
        ("--space narrow.py:space --n 3", ["2"]),
        ("--n 0", ["--n must be 1 or more, not 0"]),
        ("--n -3", ["--n must be 1 or more, not -3"]),
        ("--n three", ["--n", "is no whole number", "bench sample --help"]),
        ("--resolution 0", ["--resolution"]),
        ("--epochs 0", ["epochs"]),
        ("--train-seeds 0", ["--train-seeds must be 1 or more"]),
        ("--keep some", ["unknown choice of --keep 'some'", "front, all, none"]),
        ("--quantize rounded", ["unknown choice of --quantize 'rounded'", "ptq, qat"]),
        ("--quantize qat", ["--quantize qat is for --precision int8", "float32"]),
        ("--weights dinov2_smal", ["unknown weights 'dinov2_smal'", "did you mean dinov2_small"]),
        ("--weights dinov2_small --no-train", ["trainings start from"]),
        ("--precision int8 --quantize qat --no-train", ["--quantize qat trains", "no training"]),
        ("--recipe quik", ["unknown recipe 'quik'", "quick"]),
        ("--recipe mine.py", ["recipe 'mine.py' lacks its name in the file; write mine.py:NAME"]),
        ("--set optimizer=bnbadam", ["optimizer 'bnbadam' does not work here"]),
        ("--set auto_augment=rnd-m9", ["auto_augment 'rnd-m9' is no policy of timm's", "rand-m9-mstd0.5"]),
        ("--set lr", ["--set lr: write FIELD=VALUE"]),
        ("--epochs 1 --set epochs=3", ["the recipe is told epochs=3 and epochs=1", "leave one of the two out"]),
        ("--set lr=fast", ["lr must be a number, not 'fast'"]),
        ("--set colour=red", ["a recipe has no field 'colour'", "optimizer, lr, weight_decay"]),
        ("--set mixup=0.2 --set batch_size=31", ["mixup", "even batch_size"]),
        ("--threads 99", ["--threads", "rk3399"]),
        ("--workers 0", ["--workers"]),
        ("--workers 100000", ["usable cores"]),
        ("--seed -1", ["--seed"]),
        ("--profile-minutes 0", ["--profile-minutes"]),
        ("--train-minutes nan", ["--train-minutes"]),
        ("--storage sqlite:////no/such/folder/bench.db", ["no folder /no/such/folder"]),
        ("--storage not-a-database.txt", ["not-a-database.txt", "not a database"]),
        ("--storage empty", ["empty", "not a file"]),
        ("--storage sqlite://", ["in memory"]),
        ("--storage nonsense://host/name", ["nonsense"]),
        ("--dataset folder:empty", ["empty"]),
        ("--dataset folder:unreadable", ["unreadable"]),
        ("--dataset folder:missing", ["missing"]),
        ("--report nowhere/report.html", ["nowhere"]),
        ("--no-such-option", ["--no-such-option"]),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(bench, files, tmp_path, arguments, expected):
    words = arguments.split()
    defaults = [] if "--target" in words else ["--target", "rk3399"]
    defaults += [] if "--n" in words else ["--n", "1"]
    defaults += [] if "--dataset" in words else ["--dataset", "digits"]
    said = bench("sample", *words, *defaults)
    assert said.code == 2, said
    assert said.errors.startswith("error: ")
    assert said.errors.count("\n") == 1
    for part in expected:
        assert part in said.errors
    assert said.output == ""
    assert {path.name for path in tmp_path.iterdir()} == files


def test_a_silent_tracker_is_told_in_one_line_in_seconds(commands):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        call = commands.sampling(1, "--runner", "rpc", "--tracker", address)
        with commands.start(*call) as process:
            try:
                _, errors = process.communicate(timeout=180)
            finally:
                process.kill()
    assert process.returncode == 2
    assert address in errors
    assert errors.count("\n") == 1
    assert [path.name for path in commands.folder.iterdir()] == ["tiny.py"]


@pytest.mark.processes
def test_a_scheduler_that_is_not_there_is_told_in_one_line(bench, files, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        options = ("--n", "1", "--target", "rk3399", "--runner", "roofline", "--no-train")
        said = bench("sample", *options, "--scheduler", address)
    assert said.code == 2
    assert said.errors == f"error: no Dask scheduler answers at {address}; start one with: dask scheduler\n"
    assert {path.name for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (("--space", "narrow.py:space"), ("tiny", "narrow")),
        (("--dataset", "folder:pictures"), ("digits", "pictures")),
        (("--target", "host"), ("rk3399", "host")),
        (("--epochs", "2"), ("recipe", "1 epoch", "2 epochs")),
        (("--set", "lr=0.5"), ("recipe", "1 epoch")),
        (("--train-seeds", "3"), ("training seeds 1", "3")),
        (("--seed", "5"), ("seed 0", "5")),
        (("--no-train",), ("digits", "none")),
        (("--threads", "1"), ("thread count", "1")),
        (("--sampler", "tpe"), ("random", "tpe")),
    ],
)
def test_a_study_of_something_else_is_refused_naming_both(bench, files, finished, tmp_path, changed, expected):
    from PIL import Image

    for split in ("train", "val"):
        for shade, label in ((0, "a"), (255, "b")):
            folder = tmp_path / "pictures" / split / label
            folder.mkdir(parents=True)
            for i in range(4):
                Image.new("RGB", (8, 8), (shade, shade, i)).save(folder / f"{i}.png")
    storage = finished.commands.storage
    before = (finished.commands.folder / "bench.db").read_bytes()
    call = {"--target": "rk3399", "--space": "tiny.py:space", "--epochs": "1", "--runner": "roofline"}
    call |= {"--dataset": "digits"}
    call |= dict([changed]) if len(changed) == 2 else {}
    words = [word for pair in call.items() for word in pair] + (list(changed) if len(changed) == 1 else [])
    said = bench("sample", "--n", "1", *words, "--study", finished.study, "--storage", storage)
    assert said.code == 2, said
    assert said.errors.count("\n") == 1
    assert finished.study in said.errors
    for part in expected:
        assert part in said.errors
    assert (finished.commands.folder / "bench.db").read_bytes() == before


def test_an_unexpected_error_is_one_line_that_names_debug(bench, monkeypatch):
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("blockfront.study.storage.list_studies", fail)
    said = bench("studies")
    assert (said.code, said.errors) == (
        1,
        "error: ZeroDivisionError: by zero (run with --debug for the traceback)\n",
    )
    assert "Traceback" in bench("studies", "--debug").errors


@pytest.mark.parametrize("command", ["boards", "host"])
def test_a_picture_that_cannot_be_written_is_told_before_anything_is_validated(bench, files, tmp_path, command):
    said = bench("validate", command, "--plot", "nowhere/times.svg")
    assert said.code == 2
    assert said.errors == f"error: cannot write nowhere/times.svg: there is no folder {tmp_path / 'nowhere'}\n"
    assert {path.name for path in tmp_path.iterdir()} == files


def test_options_of_a_training_that_there_is_not_are_told() -> None:
    told = make_request(target="rk3399", runner="roofline", train=False, epochs=3, train_seeds=2, keep="all")
    (note,) = resolve(told).notes
    assert note == "nothing is trained (--no-train), so that --epochs, --train-seeds, --keep change nothing"
    assert resolve(make_request(target="rk3399", runner="roofline", train=False)).notes == ()
