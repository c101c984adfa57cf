"""Engines as toolchains: networks compared with torch, timed in a process of the engine's own, and named in rows.

An engine whose package is not installed is skipped, and its name and extra are told.
"""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from blockfront.engines import ENGINES, Engine
from blockfront.engines.litert import APART_INPUTS
from blockfront.engines.process import EngineProcess
from blockfront.engines.timing import sample_ms
from blockfront.errors import RunError, UsageError
from blockfront.services.doctor import diagnose
from blockfront.signature import Input, Signature
from blockfront.targets import METERS, TOOLCHAINS, Asked, choose, find_hardware
from blockfront.targets.latency.toolchains.engine import EngineToolchain
from tests.conftest import wait_until

pytestmark = pytest.mark.processes
QUICK = ("onnxruntime", "openvino", "ncnn")
"""Those whose converters take seconds."""


class Block(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.Hardswish(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 5),
        )


class TwoInputs(nn.Module):
    def forward(self, image, mask):
        return {"masked": image * mask, "none": None, "levels": [image.mean((2, 3)), mask]}


def _engine(name: str) -> Engine:
    try:
        ENGINES[name].versions()
    except UsageError as error:
        pytest.skip(str(error))
    return ENGINES[name]


def _prepared(name, module, signature):
    _engine(name)
    torch.manual_seed(0)
    means = choose(Asked(find_hardware("host"), 1), name, "local")
    return means.prepare(module.eval(), signature, 0)


def _loaded(prepared):
    with METERS["local"].session(choose(Asked(find_hardware("host"), 1)).options) as session:
        return TOOLCHAINS[prepared.engine].load(prepared, session, 1)


@pytest.mark.parametrize("name", QUICK)
def test_an_engine_gives_what_torch_gives_and_tells_its_samples(name):
    prepared = _prepared(name, Block(), Signature.image(32))
    loaded = _loaded(prepared)
    assert 0 < loaded.max_rel_error < 3e-5
    assert loaded.torch_rel_error < 1e-5
    samples = loaded.milliseconds(2, 5)
    assert len(samples) == 5
    assert min(samples) > 0
    assert loaded.kernels() == ()
    assert prepared.versions[ENGINES[name].packages[0]] == version(ENGINES[name].packages[0])


def test_litert_gives_what_the_int8_network_does_operator_by_operator():
    prepared = _prepared("litert", Block(), Signature.image(32))
    assert len(prepared.outputs) > 3
    loaded = _loaded(prepared)
    # A step of 256, of whatever an operator gives.
    assert loaded.max_rel_error < 0.1
    assert min(loaded.milliseconds(1, 3)) > 0
    assert choose(Asked(find_hardware("host"), 1), "litert").options.precision == "int8"
    with np.load(io.BytesIO(prepared.files[APART_INPUTS])) as arrays:
        others = io.BytesIO()
        np.savez(others, *(array + 3 if array.dtype == np.int8 else array for array in arrays.values()))
    other = replace(prepared, files={**prepared.files, APART_INPUTS: others.getvalue()})
    with pytest.raises(RunError, match="of litert differs from torch"):
        _loaded(other)


def test_several_inputs_and_nested_outputs_pass_through_onnx():
    image, mask = Input("image", (1, 2, 4, 4)), Input("mask", (1, 1, 4, 4))
    prepared = _prepared("onnxruntime", TwoInputs(), Signature((image, mask)))
    assert [output.name for output in prepared.outputs] == ["masked", "levels.0", "levels.1"]
    assert _loaded(prepared).max_rel_error < 1e-6


def test_an_output_that_is_not_torchs_is_refused():
    prepared = _prepared("onnxruntime", Block(), Signature.image(32))
    (image,) = prepared.inputs
    other = type(prepared)(prepared.engine, prepared.files, (image + 1,), prepared.outputs)
    with pytest.raises(RunError, match=r"output of onnxruntime differs from torch: relative error .* > 3.0e-05"):
        _loaded(other)


def test_a_file_that_an_engine_does_not_load_is_told_in_its_words():
    _engine("onnxruntime")
    with pytest.raises(RunError, match="onnxruntime: "):
        EngineProcess("onnxruntime", {"model.onnx": b"nothing"}, 1)


def test_an_engine_that_dies_is_told_with_its_last_words():
    prepared = _prepared("onnxruntime", Block(), Signature.image(32))
    running = EngineProcess(prepared.engine, prepared.contents, 1)
    running._process.kill()
    running._process.wait()
    with pytest.raises(RunError, match="onnxruntime ended with exit code -9: no message"):
        running.milliseconds(1, 1)


def test_its_process_and_files_go_with_it():
    prepared = _prepared("onnxruntime", Block(), Signature.image(32))
    running = EngineProcess(prepared.engine, prepared.contents, 1)
    process, folder = running._process, Path(running._folder.name)
    assert folder.exists()
    del running
    assert process.poll() is not None
    assert not folder.exists()


def test_what_an_engine_forked_goes_with_it_and_holds_nothing_up(tmp_path, monkeypatch):
    """As what OpenVINO forks does now and then, which never comes to what it is to run."""
    (tmp_path / "forks.py").write_text(
        "import os, time\n"
        "from blockfront.engines import ENGINES, Runtime\n"
        "class Forks(Runtime):\n"
        "    name, packages = 'forks', ()\n"
        "    def start(self, folder, inputs, threads):\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            time.sleep(600)\n"
        "        (folder / 'child').write_text(str(child))\n"
        "        return lambda: [] if threads == 1 else os._exit(3)\n"
        "ENGINES.add('forks', Forks())\n"
    )
    (tmp_path / "sitecustomize.py").write_text("import forks\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    running = EngineProcess("forks", {}, 1)
    child = int((Path(running._folder.name) / "child").read_text())
    began = time.monotonic()
    del running
    assert time.monotonic() - began < 60
    wait_until(lambda: not psutil.pid_exists(child), 20)
    with pytest.raises(RunError, match="forks ended with exit code 3"):
        EngineProcess("forks", {}, 2)


def test_the_process_of_an_engine_imports_neither_torch_nor_tvm():
    code = (
        "import sys, blockfront.engines.process\n"
        "assert not {'torch', 'tvm', 'timm', 'optuna', 'pandas'} & set(sys.modules), sorted(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_threads_that_work_are_counted():
    """By this process's own: one that computes, while torch's others have nothing to do."""
    numbers = np.random.default_rng(0).random(100_000)
    samples, threads = sample_ms(lambda: np.sort(numbers), 1, 100)
    assert len(samples) == 100
    assert threads in (None, 1)
    assert sample_ms(lambda: None, 1, 2)[1] is None


def test_an_engine_that_is_not_installed_names_the_extra(bench, monkeypatch):
    class Absent(type(ENGINES["onnxruntime"])):
        packages = ("no-such-runtime",)

    monkeypatch.setattr(TOOLCHAINS["onnxruntime"], "_engine", Absent())
    said = bench("profile", "mobilenetv2_050", "--toolchain", "onnxruntime")
    assert said.code == 2
    assert said.errors == ("error: onnxruntime needs the package no-such-runtime: pip install 'blockfront[peers]'\n")
    assert "needs the package no-such-runtime" in bench("toolchains").output


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("rk3399", "rk3399 gets no latency unasked: no board attached: run bench board tracker here"),
        ("edge_tpu_like", "toolchain onnxruntime does not prepare networks for edge_tpu_like; those that do: "),
        ("stm32h743", "toolchain onnxruntime does not prepare networks for stm32h743; those that do: "),
    ],
)
def test_an_engine_is_for_processors_at_hand(bench, target, said):
    refused = bench("profile", "mobilenetv2_050", "--toolchain", "onnxruntime", "--target", target)
    assert refused.code == 2
    assert said in refused.errors


def test_nobody_gets_an_engine_unasked():
    assert choose(Asked(find_hardware("host"))).toolchain.name == "tvm"


def test_what_an_engine_made_is_measured_where_it_is_sent():
    """As a sweep sends it to its workers."""
    prepared = _prepared("onnxruntime", Block(), Signature.image(32))
    means = choose(Asked(find_hardware("host"), 1), "onnxruntime")
    means, prepared = pickle.loads(pickle.dumps((means, prepared)))
    latency = means.latency(prepared)
    assert (latency.source, latency.runner, latency.toolchain, latency.threads) == (
        "measured",
        "local",
        "onnxruntime",
        1,
    )
    assert len(latency.samples_ms) >= 10
    assert latency.versions["onnxruntime"] == version("onnxruntime")
    assert latency.verified_on == "device"


def test_the_doctor_fails_for_no_engine_that_nobody_asked_for(monkeypatch):
    class Absent(type(ENGINES["onnxruntime"])):
        packages = ("no-such-runtime",)

    own = {"tvm": TOOLCHAINS["tvm"], "onnxruntime": EngineToolchain(Absent())}
    monkeypatch.setattr(TOOLCHAINS, "_items", own)
    checks = {check.name: check for check in diagnose("host", None, "bench.db")}
    absent = checks["toolchain onnxruntime"]
    assert absent.ok
    assert absent.finding.endswith("no-such-runtime: pip install 'blockfront[peers]'; for who asks for it")
    assert checks["runner local"].ok
