"""A device's own peaks, and the micro-kernels that show them."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import tvm

from blockfront.targets import METERS, RunOptions, Target, get_target
from blockfront.targets.compiler.building import lower_kernel
from blockfront.targets.compiler.linking import link_kernels
from blockfront.targets.latency.meters.peak import Update, compile_update, in_registers, through_memory


def x86(cpu: str, bits: int, registers: int) -> Target:
    triple = {"kind": "llvm", "mtriple": "x86_64-linux-gnu", "mcpu": cpu}
    return dataclasses.replace(
        get_target("rk3399"), name="x86", tvm_target=triple, simd_bits=bits, vector_registers=registers
    )


TARGETS = {
    "rk3399": (get_target("rk3399"), r"fmla\s+v\d+\.4s, v\d+\.4s, v\d+\.4s"),
    "haswell": (x86("haswell", 256, 16), r"vfmadd\d+ps\s+%ymm\d+, %ymm\d+, %ymm\d+"),
    "skylake-avx512": (x86("skylake-avx512", 512, 32), r"vfmadd\d+ps\s+%zmm\d+, %zmm\d+, %zmm\d+"),
}


def hot_loop(update: Update, target: Target) -> list[str]:
    """Instructions of the one loop that jumps back to its own beginning and computes."""
    built = tvm.tirx.build(lower_kernel(update.function(), "update"), target=target.compiler())
    blocks = re.split(r"^(\.LBB\w+):", built.inspect_source("asm"), flags=re.MULTILINE)
    loops = []
    for label, text in zip(blocks[1::2], blocks[2::2], strict=True):
        lines = [line.strip() for line in text.splitlines() if re.match(r"\s+[a-z]", line)]
        back = next((i for i, line in enumerate(lines) if line.endswith(label)), None)
        if back is not None and any("fm" in line for line in lines[:back]):
            loops.append(lines[: back + 1])
    (loop,) = loops
    return loop


@pytest.mark.parametrize("name", TARGETS)
def test_the_arithmetic_kernel_is_multiply_adds_in_registers_and_a_counter(name):
    target, multiply_add = TARGETS[name]
    update = in_registers(target.machine(2))
    loop = hot_loop(update, target)
    adds = [line for line in loop if re.fullmatch(multiply_add, line)]
    assert len(adds) % update.accumulators == 0
    assert len(adds) > 0
    rest = [line for line in loop if line not in adds]
    assert len(rest) <= 2
    assert all(re.match(r"(addl?|subs?l?|cmp\w*|decl|j\w+|b\.\w+)\s", line) for line in rest)


@pytest.mark.parametrize("name", TARGETS)
def test_its_accumulators_hide_the_latency_of_two_pipes(name):
    target, _ = TARGETS[name]
    assert in_registers(target.machine(1)).accumulators >= 2 * 5
    assert in_registers(target.machine(1)).accumulators + 1 < target.vector_registers


@pytest.mark.compiles
def test_as_much_is_computed_as_is_counted():
    host = get_target("host")
    update = Update(tiles=3, accumulators=4, lanes=8, steps=5)
    before = np.random.default_rng(0).integers(0, 4, update.shape).astype("float32")
    expected, operations = before.copy(), 0
    for _ in range(5):
        for i in range(4):
            expected[:, i] += 2 * expected[:, (i + 1) % 4]
            operations += 2 * expected[:, i].size
    with METERS["local"].session(RunOptions(host, 1)) as session:
        library = session.load("update.so", link_kernels([compile_update(update, "update", host)]))
        values = tvm.runtime.tensor(before)
        library["update"](values, tvm.runtime.tensor(np.full(8, 2, "float32")))
    np.testing.assert_array_equal(values.numpy(), expected)
    assert update.operations == operations == 960
    assert update.bytes == 2 * before.nbytes == 768


def test_the_stream_reads_and_writes_256_mib_once():
    update = through_memory(get_target("rk3399").machine(2))
    assert update.steps == 1
    assert update.bytes == pytest.approx(2 * 256 * 1024**2, rel=1e-4)


def test_a_latency_measured_here_keeps_this_machines_peak_and_measures_it_once(host_program):
    local = METERS["local"]
    options = RunOptions(get_target("host"), 1, seconds=0.02, sample_ms=0.5)
    first, second = local.latency(host_program, options), local.latency(host_program, options)
    assert first.peak.source == "measured"
    assert first.peak is second.peak
    assert first.peak.gflops > 0
    assert first.peak.gbs > 0


def test_a_prediction_keeps_the_figures_it_was_made_from(board_program):
    peak = METERS["roofline"].latency(board_program, RunOptions(get_target("rk3399"), 1)).peak
    assert peak.source == "catalogue"
    assert peak.gflops == pytest.approx(14.4)
    assert peak.gbs == 4.1
