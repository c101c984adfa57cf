"""A network on a microcontroller: the example runs on a board in software and gives what torch does."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.design_space import Network
from blockfront.errors import RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import Asked, Microcontroller, choose, compile_model, find_hardware, get_processor
from blockfront.targets.compiler.elf import ObjectFile
from blockfront.targets.library import make_library, run_library
from blockfront.targets.library.firmware import emulates

M4, M7, M55 = (get_processor(name) for name in ("nrf52840", "stm32h743", "mps3_an547"))
SIGNATURE = Signature.image(16)

needs_qemu = pytest.mark.skipif(not emulates(M7), reason="qemu-system-arm is missing")


def module():
    """Its first kernel takes memory for itself, and the last one calls a function for floats on a Cortex-M4."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.Hardswish(),
        nn.Conv2d(8, 8, 3, 1, 1),
        nn.Flatten(1),
        nn.Linear(512, 5),
        nn.Softmax(1),
    )


def made(target, folder):
    program = compile_model(module(), SIGNATURE, target, alone=True)
    return program, make_library(program, target, folder)


@pytest.fixture(scope="module")
def for_m7(tmp_path_factory):
    folder = tmp_path_factory.mktemp("m7")
    return folder, *made(M7, folder)


@needs_qemu
@pytest.mark.emulates
@pytest.mark.long
@pytest.mark.parametrize("target", [M4, M55], ids=lambda one: one.name)
def test_the_example_computes_what_torch_does(target, tmp_path):
    program, library = made(target, tmp_path)
    ran = run_library(library, program, target, tmp_path)
    assert ran.where == "under QEMU"
    assert [error.agrees for error in ran.errors] == [True]


@needs_qemu
@pytest.mark.emulates
@pytest.mark.long
def test_helium_computes_in_float16_what_torch_does(tmp_path):
    torch.manual_seed(0)
    network = Network.parse("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_k3_s2_e2_c8_se0_nrelu6/head")
    program = compile_model(network.deployed(), network.signature, M55, alone=True, halves=True)
    library = make_library(program, M55, tmp_path)
    assert "float16, 1 thread" in (tmp_path / "net.h").read_text()
    assert [error.agrees for error in run_library(library, program, M55, tmp_path).errors] == [True]


@needs_qemu
@pytest.mark.emulates
def test_the_lines_that_are_printed_build_and_run_the_example(for_m7, tmp_path):
    folder, program, library = for_m7
    lines = dict(library.build)
    assert list(lines) == ["the board", "QEMU", "QEMU, to run it"]
    (folder / "image.bin").write_bytes(program.samples[0])
    for printed in lines.values():
        line = printed.replace("python", sys.executable, 1)
        done = subprocess.run(line.split(), cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ ticks of the processor's clock\n", done.stderr or done.stdout)
    found = np.fromfile(folder / "output.bin", "float32").reshape(1, 5)
    assert program.outputs[0].compare(found).agrees
    (folder / "image.bin").write_bytes(program.samples[0][4:])
    done = subprocess.run(lines["QEMU, to run it"].split(), cwd=folder, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout + done.stderr) == (1, "a file is too short\n")


@needs_qemu
@pytest.mark.emulates
def test_instructions_are_counted_and_at_least_one_for_each_multiply_add(for_m7):
    """A Cortex-M7 has no vectors; loads and what surrounds the loops are not ten times as many."""
    folder, program, library = for_m7
    counted = [run_library(library, program, M7, folder).instructions for _ in range(2)]
    macs = sum(kernel.calls * kernel.macs for kernel in program.kernels)
    assert counted[0] == counted[1]
    assert macs < counted[0] < 10 * macs


@pytest.mark.compiles
def test_the_archive_needs_no_operating_system_and_keeps_nothing_to_be_initialised(for_m7):
    """Neither a table of addresses, which nobody would make, nor data that start-up code must copy."""
    folder, program, library = for_m7
    assert any(kernel.scratch_bytes[0] for kernel in program.kernels)
    content = (folder / "libnet.a").read_bytes()
    member = ObjectFile(content[content.index(b"\x7fELF") :])
    assert member.undefined() <= {"memset", "memcpy", "memmove", "__aeabi_memcpy", "__aeabi_memclr", "__aeabi_memset"}
    assert member.defined() == {"net_run"}
    loaded = member.loaded_bytes()
    assert set(loaded) == {".text", ".rodata", ".rodata.weights", ".bss"}
    assert loaded[".bss"] <= 16
    assert library.code_bytes + library.weights_bytes == sum(loaded.values())
    assert not (folder / "libnet.so").exists()


@pytest.mark.compiles
def test_the_boards_memory_is_the_linkers(for_m7):
    folder, _, _ = for_m7
    script = (folder / "board.ld").read_text()
    assert "VECTORS (rx) : ORIGIN = 0x08000000, LENGTH = 1024" in script
    assert "FLASH (rx) : ORIGIN = 0x08000400, LENGTH = 2096128" in script
    assert "RAM (rwx) : ORIGIN = 0x24000000, LENGTH = 524288" in script


@pytest.mark.compiles
@pytest.mark.parametrize(("memory", "words"), [("flash_bytes", "of flash"), ("ram_bytes", "of RAM")])
def test_a_network_that_does_not_fit_is_refused_with_what_it_takes(memory, words):
    small = replace(M7, **{memory: 2048})
    with pytest.raises(RunError, match=rf"the network takes at least \d+ KiB {words}, and stm32h743 has 2 KiB$"):
        compile_model(module(), SIGNATURE, small)


def test_nothing_measures_a_microcontroller_and_no_bound_is_given_unasked():
    with pytest.raises(UsageError, match=r"gets no latency unasked: .* a bound alone: pass --runner roofline"):
        choose(Asked(M7))
    with pytest.raises(UsageError, match="runner rpc does not serve stm32h743"):
        choose(Asked(M7), runner="rpc")
    assert choose(Asked(M7), runner="roofline").meter.name == "roofline"


def test_no_board_in_software_is_asked_for_more_than_it_has():
    assert not emulates(M55, 2 * 2**20, 0)
    assert not emulates(M7, 0, 4 * 2**20)


def test_a_microcontroller_without_memory_is_none():
    assert type(find_hardware("stm32h743")) is Microcontroller
    with pytest.raises(UsageError, match="ram_bytes must be positive"):
        replace(M7, ram_bytes=0)
