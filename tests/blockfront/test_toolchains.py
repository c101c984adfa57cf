"""A toolchain and a meter of somebody else's: registered, and used by every command with no edit elsewhere.

They stand in a module of their own, as a package would bring them: workers import it when they get what it made.
"""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from blockfront import load
from blockfront.targets import METERS, TOOLCHAINS

pytestmark = pytest.mark.processes

MODULE = """
import time
from dataclasses import dataclass
from importlib.metadata import version

import torch

from blockfront.results import KernelTime, Latency
from blockfront.targets import METERS, TOOLCHAINS, Predicts, RunOptions, Runs
from blockfront.agreement.outputs import compare


@dataclass(frozen=True)
class Eager:
    module: torch.nn.Module
    image: torch.Tensor
    expected: torch.Tensor
    versions: dict
    unscheduled_kernels = tuned_kernels = peak_memory_bytes = None


class LoadedEager:
    def __init__(self, eager, threads):
        torch.set_num_threads(threads)
        self.eager = eager
        output = eager.module(eager.image)
        self.torch_rel_error = None
        self.max_abs_error, self.max_rel_error = compare(output.float().numpy(), eager.expected.numpy())

    def milliseconds(self, number, repeat):
        found = []
        for _ in range(repeat):
            start = time.perf_counter()
            for _ in range(number):
                self.eager.module(self.eager.image)
            found.append(1e3 * (time.perf_counter() - start) / number)
        return found

    def kernels(self):
        return ()


class TorchToolchain(Runs):
    name = "torch"
    title = "torch itself, operator by operator"
    makes = Eager
    precisions = ("float32", "bfloat16")

    def accepts(self, hardware):
        return hardware.local and hardware.check_threads(None) is not None

    def choose(self, asked, precision):
        threads = asked.hardware.check_threads(asked.threads)
        return RunOptions(asked.hardware, threads, seconds=0.01, toolchain=self.name, precision=precision)

    def prepare(self, module, signature, options, seed):
        (image,) = signature.random(seed)
        with torch.no_grad():
            expected = module.eval()(image)
        dtype = getattr(torch, options.precision)
        return Eager(module.to(dtype).requires_grad_(False), image.to(dtype), expected, self.versions())

    def load(self, prepared, session, threads):
        return LoadedEager(prepared, threads)

    def versions(self):
        return {"torch": version("torch")}


class WeightsMeter(Predicts):
    name = "weights"
    title = "predicted: a nanosecond a weight"
    predictor = "weights"

    def accepts(self, toolchain, hardware):
        return toolchain.makes is Eager

    def prediction(self, options):
        return None

    def how(self, options):
        return "from their weights"

    def predict(self, prepared, options):
        ms = 1e-6 * sum(weights.numel() for weights in prepared.module.parameters())
        return Latency(
            self.source, self.name, options.toolchain, options.target.name, "none", options.threads, ms, None, (),
            (KernelTime("all weights", 1, ms, 0, 0, 1.0),), None, None, None, None, None, self.predictor,
        )


TOOLCHAINS.add("torch", TorchToolchain())
METERS.add("weights", WeightsMeter())
"""
SAMPLE = ("sample", "--target", "host", "--threads", "1", "--space", "tiny.py:space", "--workers", "1")


@pytest.fixture
def torch_toolchain(tmp_path, monkeypatch, own_registries):
    """The module on the path, imported; what it registers goes when the test ends."""
    own_registries(TOOLCHAINS, METERS)
    (tmp_path / "torch_toolchain.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("torch_toolchain")
    del sys.modules["torch_toolchain"]


def test_a_model_is_profiled_through_it_and_compared_with_torch(bench, torch_toolchain):
    said = bench("profile", "mobilenetv2_050", "--resolution", "64", "--threads", "1", "--toolchain", "torch", "--json")
    assert said.code == 0, said.errors
    found = json.loads(said.output)
    assert (found["toolchain"], found["runner"], found["latency_source"]) == ("torch", "local", "measured")
    assert (found["target"], found["threads"], found["precision"]) == ("host", 1, "float32")
    assert found["max_rel_error"] <= 1e-4
    assert len(found["latency_samples_ms"]) >= 10
    assert found["latency_ci95_low_ms"] <= found["latency_ms"] <= found["latency_ci95_high_ms"]
    assert found["kernels"] == []
    assert found["unscheduled_kernels"] is found["tuned_kernels"] is None
    assert set(found["versions"]) == {"torch"}


def test_it_is_listed_and_looked_into(bench, torch_toolchain):
    assert "torch itself, operator by operator" in bench("toolchains").output
    (row,) = [row for row in json.loads(bench("toolchains", "--json").output) if row["toolchain"] == "torch"]
    assert row["precisions"] == ["float32", "bfloat16"]
    assert "predicted: a nanosecond a weight" in bench("runners").output
    checks = {check["check"]: check for check in json.loads(bench("doctor", "--json").output)}
    assert "a small convolution is made ready for host by torch" in checks["toolchain torch"]["finding"]
    assert checks["runner weights"]["finding"] == "from their weights"


def test_networks_are_sampled_measured_and_shown_through_it(bench, torch_toolchain, tmp_path):
    """In workers, which know nothing of it but what they are sent."""
    said = bench(*SAMPLE, "--n", "2", "--no-train", "--toolchain", "torch")
    assert said.code == 0, said.errors
    frame = load("tiny-host-torch", str(tmp_path / "bench.db"))
    assert list(frame["state"]) == ["complete"] * 2
    assert set(frame["toolchain"]) == {"torch"}
    assert set(frame["runner"]) == {"local"}
    assert (frame["max_rel_error"] <= 1e-4).all()
    assert bench("show", frame["network_id"][0]).code == 0
    refused = bench(*SAMPLE, "--n", "3", "--no-train", "--study", "tiny-host-torch")
    assert refused.code == 2
    assert (
        refused.errors
        == "error: study 'tiny-host-torch' exists with toolchain torch, not tvm; name another with --study\n"
    )


@pytest.mark.long
def test_each_of_its_number_formats_is_a_study_with_accuracies_of_its_own(bench, torch_toolchain, tmp_path):
    means = (*SAMPLE, "--toolchain", "torch", "--runner", "weights", "--epochs", "1", "--n", "1", "--precision")
    reused = "reused, because they were in the storage already: 1 accuracy"
    refused = bench(*means, "int8")
    assert refused.code == 2
    assert refused.errors == "error: toolchain torch prepares networks in float32, bfloat16, not in int8\n"
    assert bench(*means, "float32").code == 0
    assert reused not in bench(*means, "bfloat16").errors
    assert reused in bench(*means, "bfloat16", "--study", "again").errors
    storage = str(tmp_path / "bench.db")
    single, half, again = (
        load(study, storage).iloc[0] for study in ("tiny-host-torch", "tiny-host-bfloat16-torch", "again")
    )
    assert single["network_id"] == half["network_id"] == again["network_id"]
    assert single["predictor"] == "weights"
    assert single["latency_ms"] == 1e-6 * single["params"]
