"""Code for GPUs: what every board's gets, and whether it computes what torch does, on a GPU in software."""

import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tvm
from tvm.s_tir import dlight

from blockfront.blocks import deploy
from blockfront.errors import DeviceUnavailable, RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import Asked, choose, compile_model, get_target
from blockfront.targets.compiler import cuda_compiler
from blockfront.targets.latency.meters.gpu import find_device

pytestmark = pytest.mark.compiles

GPUS = ["jetson_nano_gpu", "jetson_orin_nano_gpu", "rk3399_gpu"]
SOFTWARE_GPU = Path(__file__).parent / "software_gpu" / "measure.py"

here = tvm.cuda(0).exist


@pytest.mark.parametrize(("name", "keyword"), [("jetson_orin_nano_gpu", "__global__"), ("rk3399_gpu", "__kernel")])
@pytest.mark.long
def test_a_boards_gpu_gets_every_kernel_of_every_family_in_its_language(name, keyword, all_families):
    program = compile_model(deploy(all_families.build()), Signature.image(32), get_target(name), seed=0)
    assert program.unscheduled_kernels == ()
    assert program.source.count(keyword) >= len(program.kernels)
    for kernel in program.kernels:
        assert f"{kernel.symbol}_kernel(" in program.source
    for library in (program.library.content, program.kernel_library):
        assert library[:4] == b"\x7fELF"
        assert int.from_bytes(library[18:20], "little") == 183
        assert program.source.encode() in library


def test_a_rule_of_dlight_that_fails_is_told_and_the_next_one_schedules_the_kernel(tiny, monkeypatch):
    def fail(rule, function, target, tunable):
        raise ValueError("this matrix is odd")

    monkeypatch.delenv("BENCH_DEBUG", raising=False)
    usual = compile_model(tiny, Signature.image(16), get_target("rk3399_gpu"), seed=0)
    assert {kernel.reason for kernel in usual.kernels} == {None}
    monkeypatch.setattr(dlight.gpu.Matmul, "apply", fail)
    program = compile_model(tiny, Signature.image(16), get_target("rk3399_gpu"), seed=0)
    assert program.unscheduled_kernels == ()
    assert {kernel.reason for kernel in program.kernels} == {"dlight Matmul failed: ValueError: this matrix is odd"}
    assert "dlight Matmul" not in {kernel.rule for kernel in program.kernels}


def test_both_jetsons_get_the_same_cuda_and_are_told_that_its_schedules_were_not_run(tiny):
    nano, orin = (
        compile_model(tiny, Signature.image(16), get_target(f"jetson_{name}_gpu"), seed=0)
        for name in ("nano", "orin_nano")
    )
    assert nano.source == orin.source
    assert (nano.threads, orin.threads) == (1, 8)
    for program in (nano, orin):
        assert program.verified_on == "host without the GPU's schedules"
        assert program.max_rel_error <= 1e-4


@pytest.fixture(scope="module")
def measured(all_families):
    """What a process found that has a GPU in software: programs by name, and a latency."""
    if shutil.which("g++") is None or platform.system() != "Linux":
        pytest.skip("the GPU in software is built with g++ on Linux")
    if not (Path(tvm.libinfo.find_libtvm_runtime()).parent / "libtvm_runtime_cuda.so").exists():
        pytest.skip("this package of TVM has no CUDA runtime")
    done = subprocess.run(
        [sys.executable, str(SOFTWARE_GPU), str(all_families)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("network", ["families", "transformer", "fewer tokens"])
@pytest.mark.long
def test_generated_cuda_computes_what_torch_does(measured, network):
    program = measured["programs"][network]
    assert program["verified_on"] == "device"
    assert program["max_rel_error"] <= 1e-5


@pytest.mark.long
def test_matrix_products_and_windows_get_different_schedules(measured):
    rules = measured["programs"]["families"]["rules"]
    assert set(rules.values()) == {"dlight Matmul", "dlight Reduction", "dlight GeneralReduction", "dlight Fallback"}


@pytest.mark.long
def test_a_latency_on_this_machines_gpu_names_it_and_times_each_kernel(measured):
    latency = measured["latency"]
    assert (latency["source"], latency["runner"], latency["target"]) == ("measured", "local", "cuda")
    assert latency["device"] == "software GPU"
    assert latency["verified_on"] == "device"
    assert latency["median_ms"] > 0
    assert {kernel["name"] for kernel in latency["kernels"]} == set(measured["programs"]["transformer"]["rules"])
    assert all(kernel["ms"] > 0 for kernel in latency["kernels"])
    assert latency["peak"] is None


@pytest.mark.skipif(importlib.util.find_spec("cuda") is None, reason="needs NVIDIA's run-time compiler")
def test_nvidias_compiler_takes_the_code_and_refuses_what_it_is_too_new_for_in_one_line(tiny):
    source = compile_model(tiny, Signature.image(16), get_target("jetson_orin_nano_gpu"), seed=0).source
    assert cuda_compiler.cubin(source, "sm_87")[:4] == b"\x7fELF"
    with pytest.raises(RunError, match="NVIDIA's compiler for sm_53 failed") as caught:
        cuda_compiler.cubin(source, "sm_53")
    assert "\n" not in str(caught.value)


def test_without_cudas_headers_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_PATH", str(tmp_path))
    with pytest.raises(
        RunError, match=r"no CUDA headers in .*; code for a GPU of this machine needs .* pip install"
    ) as caught:
        cuda_compiler.cubin("", "sm_87")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(here, reason="this machine has a GPU")
def test_without_a_gpu_its_target_says_what_is_missing():
    with pytest.raises(UsageError, match="no GPU here that TVM can use: that needs NVIDIA's driver"):
        get_target("cuda")


@pytest.mark.parametrize("name", GPUS)
def test_a_gpu_that_is_not_attached_gets_no_latency_unless_a_bound_is_asked_for(name, monkeypatch):
    monkeypatch.delenv("TVM_TRACKER_HOST", raising=False)
    asked = Asked(get_target(name))
    with pytest.raises(
        UsageError, match=f"{name} gets no latency unasked: no board attached: .*pass --runner roofline"
    ):
        choose(asked)
    means = choose(asked, runner="roofline")
    assert (means.meter.name, means.notice) == ("roofline", None)


def test_a_device_without_opencl_says_how_to_get_it():
    with pytest.raises(DeviceUnavailable, match=r"board has no GPU .* for rk3399_gpu: .* USE_OPENCL=ON"):
        find_device(tvm, get_target("rk3399_gpu"), "board")


def test_a_gpu_runs_on_all_of_itself():
    assert get_target("jetson_orin_nano_gpu").check_threads(None) == 8
    with pytest.raises(UsageError, match="always runs on all of itself; leave --threads out"):
        get_target("jetson_orin_nano_gpu").check_threads(4)


@pytest.mark.skipif(not here, reason="needs a GPU")
def test_the_gpu_of_this_machine_computes_what_torch_does(tiny):
    program = compile_model(tiny, Signature.image(16), get_target("cuda"), seed=0)
    assert program.verified_on == "device"
    assert program.max_rel_error <= 1e-4
