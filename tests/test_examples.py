"""Every example runs as it stands: those in docstrings, and those in `examples/` in the way the documentation says."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import blockfront
from blockfront.design_space import Network
from blockfront.training import pack_weights
from blockfront.training.scenes import write_scenes
from tests.product import FOLDERS, ROOT

pytestmark = pytest.mark.compiles

EXAMPLES = ROOT / "examples"
QUICKLY = ("--target", "rk3399", "--runner", "roofline", "--no-train", "--workers", "1", "--json", "--quiet")


def _has_examples(file: Path) -> bool:
    return ">>> " in file.read_text("utf-8")


def _modules_with_examples() -> list[str]:
    """Modules whose docstrings have examples, found in their text, so that collecting tests imports none."""
    files = (file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")) if _has_examples(file))
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files)
    return [name if name.split(".")[0] == "blockfront" else f"blockfront.{name}" for name in names]


@pytest.mark.parametrize("name", _modules_with_examples())
def test_the_examples_in_docstrings_give_what_they_say(name: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed


def _run(folder: Path, *arguments: str) -> str:
    """Standard output of Python with these arguments, run in `folder`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _families(folder: Path, example: str, n: int) -> set[str]:
    """The families of the first `n` networks of an example's space, each compiled."""
    said = _run(folder, "-m", "blockfront", "sample", "--n", str(n), "--space", f"{EXAMPLES / example}:space", *QUICKLY)
    networks = json.loads(said)["networks"]
    assert [network["state"] for network in networks] == ["complete"] * n
    return {network["family"] for network in networks}


def _block_and_rival(folder: Path) -> None:
    assert _families(folder, "my_block.py", 2) == {"my_block", "ir"}


def _transformers(folder: Path) -> None:
    assert _families(folder, "my_transformers.py", 3) == {"vit", "vit_tome", "vit_evit"}


def _reducer(folder: Path) -> None:
    assert _families(folder, "my_reducer.py", 2) == {"vit_norm", "vit_random"}


def _board(folder: Path) -> None:
    said = _run(folder, "-m", "blockfront", "targets", f"{EXAMPLES / 'my_board.py'}:mine")
    rows = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert rows["cores"].split()[1] == "4"
    assert "1.31 GB/s, sbc-bench, single-thread memcpy" in rows["bandwidth_gbs"]


def _comparison(folder: Path) -> None:
    targets = ("rk3399", "rk3399:int8")
    space = ("--space", f"{EXAMPLES / 'my_block.py'}:space", "--dataset", "digits", "--epochs", "1")
    options = ("--round", "2", "--seeds", "1", "--workers", "1", "--targets", *targets)
    call = (str(EXAMPLES / "blocks_across_targets.py"), *space, *options)
    said = _run(folder, *call, "--n", "2")
    for target in targets:
        assert f"{target} (" in said
        assert target in (folder / "across.html").read_text("utf-8")
    plain, rounded = (blockfront.load(f"{name}-0", str(folder / "across.db")) for name in ("rk3399", "rk3399-int8"))
    assert list(rounded["top1_float"]) == list(plain["top1"])
    _run(folder, *call, "--n", "4", "--storage", "elsewhere.db")
    rows = pd.read_parquet(folder / "across.parquet")
    assert list(rows["on"]) == 2 * [target for target in targets for _ in range(2)]
    assert (rows["network_id"].nunique(), rows["skeleton"].nunique()) == (4, 2)


def _model(folder: Path) -> None:
    call = ("profile", f"{EXAMPLES / 'my_model.py'}:tagger", "--target", "rk3399", "--runner", "roofline", "--json")
    profiled = json.loads(_run(folder, "-m", "blockfront", *call, "--quiet"))
    assert profiled["input"] == "ids 1x16 int64, mask 1x16 float32"
    assert profiled["macs"] == 16 * 64 * 8 + 64 * 2


def _task(folder: Path) -> None:
    options = ("--dataset", f"{EXAMPLES / 'my_task.py'}:noise", "--target", "rk3399", "--runner", "roofline")
    said = _run(folder, "-m", "blockfront", "sample", "--n", "2", "--epochs", "2", *options, "--json", "--quiet")
    networks = json.loads(said)["networks"]
    assert [network["error"] for network in networks] == [None] * 2
    assert all(network["mae_ci95_low"] < network["mae"] < network["mae_ci95_high"] for network in networks)
    assert json.loads(said)["objectives"] == ["latency_ms", "mae"]


def _metric(folder: Path) -> None:
    said = _run(folder, "-m", "blockfront", "sample", "--n", "1", "--resolution", "32", *QUICKLY)
    networks = json.loads(said)["networks"]
    assert [network["error"] for network in networks] == [None]
    rates = {network["network_id"]: 1000 / network["latency_ms"] for network in networks}
    header, *lines = _run(folder, str(EXAMPLES / "my_metric.py"), "mobile-rk3399").splitlines()
    assert header.split() == ["network_id", "params", "rate"]
    assert lines
    for network_id, _, rate in (line.split() for line in lines):
        assert float(rate) == pytest.approx(rates[network_id], rel=1e-3)


def _prune_anchors(folder: Path) -> None:
    text = "det_48_d6/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16/ssdlite_l2_x8_sab.bf.a"
    write_scenes(folder / "few", {"train": 2, "val": 6})
    weights = pack_weights(Network.parse(text).build(), {"network": text})
    (folder / "detector.safetensors").write_bytes(weights)
    said = _run(folder, str(EXAMPLES / "prune_anchors.py"), "detector.safetensors", "--dataset", "coco:few")
    assert "M multiply-adds: ssdlite_l2_x8_s" in said
    assert (folder / "detections.jpg").is_file()


RUNS = {
    "blocks_across_targets.py": _comparison,
    "my_block.py": _block_and_rival,
    "my_board.py": _board,
    "my_model.py": _model,
    "my_metric.py": _metric,
    "my_reducer.py": _reducer,
    "my_task.py": _task,
    "my_transformers.py": _transformers,
    "prune_anchors.py": _prune_anchors,
}


QUICK = {"my_block.py", "my_board.py", "my_model.py"}


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(file.name, marks=() if file.name in QUICK else pytest.mark.long)
        for file in sorted(EXAMPLES.glob("*.py"))
    ],
)
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    RUNS[example](tmp_path)


@pytest.mark.long
def test_the_notebook_chooses_a_network_and_takes_it_home(tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "choose_a_backbone.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert re.search(r"is the most accurate of 4 networks within 25 ms on rpi5, 1 thread: .* \(published: ", printed)
    assert {"libnet.a", "net.h", "model.onnx"} <= {file.name for file in (tmp_path / "backbone").iterdir()}


def test_the_documentation_shows_the_examples_as_they_are() -> None:
    text = (ROOT / "docs" / "extending.md").read_text("utf-8")
    shown = re.findall(r"`examples/(\w+\.py)`[^`]*```python\n(.*?)```", text, flags=re.DOTALL)
    assert {name for name, _ in shown} == set(RUNS) - {"blocks_across_targets.py", "prune_anchors.py"}
    for name, code in shown:
        assert (EXAMPLES / name).read_text("utf-8").endswith(f"\n{code}"), name
