"""`bench tune`, and networks that use what it found."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from msgspec import structs

import blockfront as package
from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.models import find_model
from blockfront.signature import Signature
from blockfront.study.lookup import find_models
from blockfront.targets import get_target
from blockfront.targets.tuning.cost_model import TransferModel
from blockfront.targets.tuning.database import TuningDatabase, TuningRecord
from blockfront.targets.tuning.search import search
from blockfront.targets.tuning.tasks import tasks_of

MODEL = (
    "from torch import nn\n"
    "def tiny():\n"
    "    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    "    return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), pool, nn.Linear(16, 10))\n"
    "def broken():\n"
    "    return nn.Linear(7, 3)\n"
)
TINY = ("model.py:tiny", "--resolution", "16", "--threads", "1")


@pytest.fixture
def model(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)


def faster(database: TuningDatabase, network: object, resolution: int) -> TuningRecord:
    """A record that a kernel of the network became twice as fast with a schedule MetaSchedule generates."""
    target, threads = database.target, database.setting.threads
    task = max(tasks_of(network, Signature.image(resolution), target, threads), key=lambda task: task.kernel.macs)
    trace = search(task.function, target.compiler(), 1, lambda modules: [[1.0] for _ in modules], TransferModel())
    record = TuningRecord(
        kernel=task.kernel.symbol,
        name=task.kernel.name,
        setting=database.setting,
        trials=1,
        trace=trace,
        rule_ms=(2.0,) * 10,
        tuned_ms=(1.0,) * 10,
        max_rel_error=0.0,
        device="a device",
        date="2026-11-20T00:00:00+00:00",
    )
    database.add(record)
    return record


@pytest.mark.compiles
@pytest.mark.long
def test_a_kernel_is_tuned_and_a_second_run_has_nothing_to_do(bench, model):
    call = ("tune", *TINY, "--trials", "2", "--kernels", "1", "--database", "tuned.jsonl")
    said = bench(*call, "--json", "--quiet")
    assert said.code == 0, said
    first = json.loads(said.output)
    (kernel,) = first["kernels"]
    assert (first["target"], first["threads"], first["networks"]) == ("host", 1, 1)
    assert 0 < first["share_of_time"] <= 1
    assert (kernel["trials"], kernel["error"]) == (2, None)
    assert kernel["max_rel_error"] <= 1e-4
    assert kernel["kept"] == (kernel["ratio_ci95_high"] < 1)
    again = bench(*call)
    assert again.code == 0
    assert "trials: 0 to do" in again.errors
    assert kernel["kernel"] in again.output
    assert len(Path("tuned.jsonl").read_text().split("\n\n")) == 1
    profiled = json.loads(bench("profile", *TINY, "--tuned", "--database", "tuned.jsonl", "--json", "--quiet").output)
    assert profiled["tuned_kernels"] == int(kernel["kept"])


@pytest.mark.compiles
def test_a_profile_uses_the_kernels_that_won_and_no_others(bench, model):
    database = TuningDatabase(get_target("host"), 1, Path("tuned.jsonl"))
    record = faster(database, find_model("model.py:tiny").build(), 16)
    call = ("profile", *TINY, "--tuned", "--database", "tuned.jsonl")
    profiled = json.loads(bench(*call, "--json", "--quiet").output)
    assert profiled["tuned_kernels"] == 1
    assert [kernel["name"] for kernel in profiled["kernels"] if kernel["rule"] == "tuned"] == [record.name]
    assert profiled["max_rel_error"] <= 1e-4
    assert "tuned        1 of" in bench(*call).output
    by_rule = json.loads(bench("profile", *TINY, "--json", "--quiet").output)
    assert by_rule["tuned_kernels"] == 0
    database.add(structs.replace(record, rule_ms=(0.5,) * 10))
    assert json.loads(bench(*call, "--json", "--quiet").output)["tuned_kernels"] == 0


@pytest.mark.long
def test_a_sweep_with_tuned_kernels_is_a_study_of_its_own(bench, finished, commands):
    from blockfront.design_space import Network

    text = package.load(finished.study, finished.commands.storage)["network"].iloc[0]
    database = TuningDatabase(get_target("rk3399"), 2, commands.folder / "tuned.jsonl")
    record = faster(database, Network.parse(text).build(), 32)
    call = (1, "--no-train", "--quiet", "--tuned", "--database", "tuned.jsonl")
    said = commands.sample(*call)
    assert said.returncode == 0, said.stderr
    rows = package.load("tiny-rk3399-tuned", commands.storage)
    assert list(rows["network"]) == [text]
    assert list(rows["tuned_kernels"]) == [1]
    assert (package.load(finished.study, finished.commands.storage)["tuned_kernels"] == 0).all()
    database.add(structs.replace(record, kernel="k_another"))
    refused = commands.sample(*call)
    assert refused.returncode == 2
    assert "exists with tuned kernels" in refused.stderr
    assert commands.sample(*call, "--study", "again").returncode == 0


@pytest.mark.long
def test_an_interrupted_tuning_keeps_what_is_done_and_says_how_to_go_on(commands):
    (commands.folder / "model.py").write_text(MODEL)
    call = ("tune", *TINY, "--trials", "40", "--kernels", "2", "--database", "tuned.jsonl", "--quiet")
    with commands.start(*call) as process:
        end = time.monotonic() + 240
        while not (commands.folder / "tuned.jsonl").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert errors == "stopped; what is finished is kept, go on with: bench " + " ".join(call) + "\n"
    database = TuningDatabase(get_target("host"), 1, commands.folder / "tuned.jsonl")
    assert len(database.records()) == 1


def test_a_network_that_does_not_run_is_told_in_one_line(bench, model):
    said = bench("tune", "model.py:broken", "--resolution", "16", "--quiet", "--database", "tuned.jsonl")
    assert (said.code, said.output) == (1, "")
    assert said.errors.startswith("error: model.py:broken does not run at 16 pixels: ")
    assert said.errors.count("\n") == 1


def test_a_study_means_its_complete_networks_and_an_id_one_of_them(finished):
    storage = finished.commands.storage
    rows = package.load(finished.study, storage)
    assert [model.name for model in find_models(finished.study, storage)] == list(rows["network"])
    (model,) = find_models(rows["network_id"].iloc[1], storage)
    assert model.name == rows["network"].iloc[1]
    (model,) = find_models("mobilenetv2_100", storage, ImageSize(96, 96))
    assert (model.name, model.signature) == ("mobilenetv2_100", Signature.image(96))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("tiny-rk339 --target host", ["unknown study 'tiny-rk339'", "tiny-rk3399"]),
        ("mobilenetv2_10 --target host", ["unknown model", "mobilenetv2_100"]),
        ("0123456789ab --target host", ["no network '0123456789ab'"]),
        ("mobilenetv2_100 --target rk3399", ["key rk3399", "--tracker HOST:PORT"]),
        ("mobilenetv2_100 --target rk3398", ["unknown target 'rk3398'", "rk3399"]),
        ("mobilenetv2_100 --runner roofline", ["runner roofline measures nothing", "leave --runner out"]),
        ("mobilenetv2_100 --trials 0", ["--trials must be 1 or more"]),
        ("mobilenetv2_100 --kernels 0", ["--kernels must be 1 or more"]),
        ("mobilenetv2_100 --threads 99", ["--threads"]),
    ],
)
def test_a_wrong_call_is_one_line(bench, finished, tmp_path, monkeypatch, arguments, expected):
    for name in ("TVM_TRACKER_HOST", "TVM_TRACKER_PORT"):
        monkeypatch.delenv(name, raising=False)
    said = bench("tune", *arguments.split(), "--storage", finished.commands.storage)
    assert (said.code, said.output) == (2, ""), said
    assert said.errors.startswith("error: ")
    assert said.errors.count("\n") == 1
    for part in expected:
        assert part in said.errors
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.py"]


@pytest.mark.parametrize("command", [("profile", "mobilenetv2_100"), ("sample", "--n", "1")])
def test_tuned_kernels_without_a_database_name_the_command_that_makes_one(bench, command, tmp_path):
    said = bench(*command, "--target", "host", "--threads", "1", "--tuned")
    assert (said.code, said.output) == (2, "")
    assert "run: bench tune" in said.errors
    assert said.errors.count("\n") == 1
    assert "add --tuned" in bench(*command, "--database", "tuned.jsonl").errors
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.py"]
