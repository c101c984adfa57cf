"""Profiles of compiled kernels: exact where arithmetic says what must come out."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from blockfront import debian
from blockfront.blocks.tokens.selection import gather, top
from blockfront.errors import RunError, UsageError
from blockfront.signature import Input, Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.latency.profiler import (
    Counts,
    Profile,
    Region,
    emulator_obstacle,
    find_emulator,
    kernels,
    plan,
    profile_calls,
    profile_kernels,
)
from blockfront.targets.latency.profiler.quick import quick

pytestmark = pytest.mark.usefixtures("emulators")


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, 1, 1, groups=32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 16),
    )


@pytest.fixture(scope="module")
def program():
    return compile_model(network(), Signature.image(64), get_target("rk3399"), threads=2)


@pytest.fixture(scope="module")
def profiles(program):
    return profile_kernels(program, get_target("rk3399"))


def of(program, profiles, macs):
    """The profile of the kernel with that many MACs."""
    (kernel,) = (kernel for kernel in program.kernels if kernel.macs == macs)
    return profiles[kernel.symbol]


def test_a_pointwise_convolution_multiplies_and_adds_a_vector_of_four_at_a_time(program, profiles):
    macs = 32 * 32 * 32 * 64
    assert of(program, profiles, macs).total.multiply_add == macs / 4


def test_a_core_without_vectors_multiplies_and_adds_one_at_a_time():
    target = get_target("visionfive2")
    program = compile_model(network(), Signature.image(64), target, threads=1)
    macs = 32 * 32 * 32 * 64
    assert of(program, profile_kernels(program, target), macs).total.multiply_add == macs


def test_vectors_of_risc_v_run_at_the_width_of_the_core():
    target = get_target("spacemit_k1")
    program = compile_model(network(), Signature.image(64), target, threads=1)
    macs = 32 * 32 * 32 * 64
    assert of(program, profile_kernels(program, target), macs).total.multiply_add == macs / 8


def test_work_is_divided_among_the_cores(program, profiles):
    (one,) = (region for region in of(program, profiles, 32 * 32 * 32 * 64).regions if len(region.tasks) == 2)
    first, second = (task.multiply_add for task in one.tasks)
    assert first == second == 32 * 32 * 32 * 64 / 8


def test_weights_come_from_memory_once_where_the_network_does_not_fit_the_caches(program):
    small = dataclasses.replace(get_target("rk3399"), l2_bytes=16 * 1024)
    lines = 4 * 64 * 16 / 64
    for target, fetched in (small, lines), (get_target("rk3399"), 0):
        found = of(program, profile_kernels(program, target), 64 * 16).total.l2_misses
        assert fetched <= found <= fetched + 10


def test_the_sum_of_kernels_is_the_network_run_as_a_whole(program, profiles):
    whole = sum((profile.total for profile in profile_calls(program, get_target("rk3399"))), Counts())
    alone = sum((profiles[call.symbol].total for call in program.plan.calls), Counts())
    for name in ("multiply_add", "vector", "load", "store", "load_bytes", "store_bytes", "branch", "integer"):
        assert getattr(alone, name) == getattr(whole, name), name
    assert alone.l1_misses == pytest.approx(whole.l1_misses, rel=0.2)


def test_sums_of_integers_in_the_place_of_floats_change_no_count(program, monkeypatch):
    changed = [quick("aarch64", code) != code for code in program.objects]
    found = profile_calls(program, get_target("rk3399"))
    monkeypatch.setattr(plan, "quick", lambda architecture, code: code)
    assert any(changed)
    assert found == profile_calls(program, get_target("rk3399"))


class Two(nn.Module):
    """Takes two images of one channel, and gives what each becomes and their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 16, 3, 1, 1)

    def forward(self, left, right):
        parts = [self.embed(left), self.embed(right)]
        return {"parts": parts, "sum": parts[0] + parts[1]}


def test_a_network_with_several_inputs_and_outputs_is_run_as_a_whole_too():
    target, signature = get_target("rk3399"), Signature((Input("left", (1, 1, 8, 12)), Input("right", (1, 1, 8, 12))))
    program = compile_model(Two(), signature, target, threads=1)
    profiles = profile_kernels(program, target)
    whole = sum((profile.total for profile in profile_calls(program, target)), Counts())
    alone = sum((profiles[call.symbol].total for call in program.plan.calls), Counts())
    assert alone.instructions == whole.instructions
    assert whole.multiply_add >= 2 * 8 * 12 * 16 * 9 / 4


class Gathering(nn.Module):
    """Takes the tokens that score best: one kernel reads where another wrote to."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 1)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2).exp()
        return gather(x, top(x.mean(-1), 8))


def test_kernels_profiled_together_do_not_read_their_indices_from_what_another_left():
    target = get_target("rk3399")
    program = compile_model(Gathering(), Signature.image(12), target, threads=1)
    profiles = profile_kernels(program, target)
    (kernel,) = (kernel for kernel in program.kernels if kernel.name.startswith("take"))
    assert profiles[kernel.symbol].total.store_bytes == pytest.approx(8 * 16 * 4, abs=128)


class Rows(nn.Module):
    """Rows of a table that the image names, each a line of its own and farther apart than a prefetcher looks."""

    def forward(self, x):
        table = torch.arange(4096.0 * 16).reshape(4096, 16)
        places = (torch.arange(64) * 997 + x.flatten()[:64].abs().long()) % 4096
        return table[places] + x.mean()


def test_a_gather_reads_where_it_reads_in_the_network():
    target = get_target("rk3399")
    program = compile_model(Rows(), Signature.image(12), target, threads=1)
    (kernel,) = (kernel for kernel in program.kernels if kernel.addresses)
    ((position, contents),) = kernel.addresses
    dtype, shape = kernel.arguments[position]
    places = np.frombuffer(contents, dtype).reshape(shape)
    assert len(set(places.flatten())) > 60
    assert 0 <= places.min() <= places.max() < 4096
    # A line of the table each, of which zeros in place of indices would read one.
    zeros = dataclasses.replace(program, kernels=(dataclasses.replace(kernel, addresses=()),))
    lines = [profile_kernels(one, target)[kernel.symbol].total.l1_misses for one in (program, zeros)]
    assert 45 < lines[0] - lines[1] <= 64


def test_a_kernel_is_profiled_once_for_the_caches_and_for_what_the_harness_is_told(program, profiles, monkeypatch):
    def refuse(*_):
        raise AssertionError("it was profiled again")

    monkeypatch.setattr(kernels.HarnessPlan, "run", refuse)
    assert profile_kernels(program, get_target("rk3399")) == profiles
    other = dataclasses.replace(get_target("rk3399"), l2_bytes=512 * 1024)
    with pytest.raises(AssertionError, match="profiled again"):
        profile_kernels(program, other)
    monkeypatch.setattr("blockfront.targets.latency.profiler.plan._FLUSH", 7)
    with pytest.raises(AssertionError, match="profiled again"):
        profile_kernels(program, get_target("rk3399"))


@pytest.mark.parametrize(
    ("target", "reason"), [("odroid_xu4", "aarch64, riscv64, x86_64 can, not arm"), ("rk3399_gpu", "not graphics")]
)
def test_what_cannot_be_profiled_is_refused_with_the_reason(target, reason):
    with pytest.raises(UsageError, match=reason):
        find_emulator(get_target(target))
    assert reason in emulator_obstacle(get_target(target))


def test_without_qemu_and_apt_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert emulator_obstacle(get_target("rk3399")) == "qemu-aarch64 is missing: install qemu-user, which is for Linux"
    with pytest.raises(RunError, match="qemu-aarch64 is missing"):
        find_emulator(get_target("rk3399"))


def test_qemu_is_fetched_where_debians_packages_can_be_had(monkeypatch, tmp_path, capsys):
    if debian.obstacle():
        pytest.skip(debian.obstacle())
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr("blockfront.targets.latency.emulation.qemu.shutil.which", lambda _: None)
    monkeypatch.setattr("blockfront.targets.latency.emulation.qemu.obstacle", lambda: None)
    monkeypatch.setattr("blockfront.debian.obstacle", lambda: None)
    found = find_emulator(get_target("rk3399"))
    assert capsys.readouterr().err.startswith("downloading QEMU (about 30 MB, once) to ")
    assert str(tmp_path) in found.command[0]
    program = compile_model(
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten()), Signature.image(8), get_target("rk3399"), threads=1
    )
    assert sum(one.total.multiply_add for one in profile_kernels(program, get_target("rk3399")).values()) > 0


def test_a_program_that_fails_is_one_line(program, tmp_path):
    broken = dataclasses.replace(
        program, kernels=tuple(dataclasses.replace(one, arguments=one.arguments * 40) for one in program.kernels)
    )
    with pytest.raises(RunError, match="emulation failed: a kernel has too many arguments"):
        profile_kernels(broken, get_target("rk3399"))


def test_counts_add_up_and_multiply():
    one = Counts(multiply_add=3, load_bytes=16)
    profile = Profile((Region((one,)), Region((one, one * 2))))
    assert profile.total == Counts(multiply_add=12, load_bytes=64)


@pytest.mark.long
@pytest.mark.parametrize("target", ["rk3399", "visionfive2"])
def test_a_kernel_that_calls_functions_of_c_is_profiled_with_their_instructions(target):
    """A power of another number is libm's; the harness gets it where it is asked for."""

    class Power(nn.Module):
        def forward(self, x):
            return x.abs() ** 0.3

    program = compile_model(Power(), Signature.image(8), get_target(target), threads=1)
    assert any(b"\0powf\0" in code for code in program.objects)
    found = profile_kernels(program, get_target(target)).values()
    most = max(profile.total.branch for profile in found)
    assert most >= 3 * 8 * 8, "a call for each element, and a way back"
