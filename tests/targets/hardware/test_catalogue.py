"""Every board of the catalogue compiles every family, and says where its figures are from."""

import struct
from pathlib import Path

import pytest

from blockfront.blocks import deploy
from blockfront.signature import Signature
from blockfront.targets import FIGURES, HARDWARE, Microcontroller, Processor, Target, compile_model

TARGETS = {name: one for name, one in HARDWARE.items() if isinstance(one, Target)}
PROCESSORS = {name: target for name, target in TARGETS.items() if isinstance(target, Processor)}
FIRST = {
    target.architecture: name
    for name, target in reversed(PROCESSORS.items())
    if not isinstance(target, Microcontroller)
}.values()
"""The first processor of each architecture; code of microcontrollers is run by the tests of their libraries."""

# (class, machine) of an ELF file and the bits of its flags that say how float arguments are passed, from the
# processor supplements of the ELF specification.
ELF = {
    "aarch64": (2, 183, 0, 0),
    "arm": (1, 40, 0x400, 0x400),
    "riscv64": (2, 243, 0x6, 0x4),
    "x86_64": (2, 62, 0, 0),
}


def header(library):
    """(class, machine, flags) of an ELF file."""
    bits = library[4]
    machine = struct.unpack_from("<H", library, 18)[0]
    flags = struct.unpack_from("<I", library, 0x30 if bits == 2 else 0x24)[0]
    return bits, machine, flags


def imports(library):
    """Names of the symbols an ELF file expects from the process that loads it."""
    wide = library[4] == 2
    start = struct.unpack_from("<Q" if wide else "<I", library, 0x28 if wide else 0x20)[0]
    size, count = struct.unpack_from("<HH", library, 0x3A if wide else 0x2E)
    layout, entry = ("<4x I 16x QQ I", "<I 2x H") if wide else ("<4x I 8x III", "<I 10x H")
    sections = [struct.unpack_from(layout, library, start + i * size) for i in range(count)]
    names = set()
    for kind, offset, length, link in sections:
        if kind == 11:  # dynamic symbols; `link` is the section of their names
            step = 24 if wide else 16
            for symbol in range(offset + step, offset + length, step):
                name, section = struct.unpack_from(entry, library, symbol)
                if section == 0:
                    start = sections[link][1] + name
                    names.add(library[start : library.index(b"\0", start)].decode())
    return names


@pytest.mark.compiles
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FIRST else pytest.mark.long) for name in PROCESSORS]
)
def test_every_kernel_of_every_family_becomes_code_of_the_board(name, all_families):
    target = TARGETS[name]
    program = compile_model(deploy(all_families.build()), Signature.image(32), target, seed=0)
    assert program.unscheduled_kernels == ()
    assert program.max_rel_error <= 1e-4
    bits, machine, mask, float_abi = ELF[target.architecture]
    for library in (program.library.content, program.kernel_library):
        found = header(library)
        assert found[:2] == (bits, machine)
        assert found[2] & mask == float_abi
        # libc and libm, and on 32-bit Arm the C++ runtime: TVM's process has them all
        assert imports(library) <= {"memset", "memcpy", "floorf", "__aeabi_unwind_cpp_pr0"}


@pytest.mark.parametrize("name", list(TARGETS))
def test_every_figure_of_a_target_has_a_source(name):
    target = TARGETS[name]
    assert [figure for figure, (_, source) in target.figures().items() if source == "not given"] == []
    assert set(", ".join(target.sources).split(", ")) <= {*FIGURES, *target.figures()}


def test_targets_of_one_board_share_the_key_its_server_registers_with():
    assert {TARGETS[name].tracker_key for name in ("rk3399", "rk3399_big1", "rk3399_little")} == {"rk3399"}
    assert {TARGETS[name].tracker_key for name in ("pixel7", "pixel7_mid")} == {"pixel7"}
    assert set(TARGETS["rk3399"].cpus).isdisjoint(TARGETS["rk3399_little"].cpus)


# Peak float32 GFLOP/s of a core, a multiply-add being two operations: clock × multiply-adds a cycle × lanes × 2.
@pytest.mark.parametrize(
    ("name", "gflops"),
    [
        ("rk3399", 14.4),
        ("rpi3b", 9.6),
        ("rpi5", 38.4),
        ("jetson_orin_nano", 24.0),
        ("pixel7", 91.2),
        ("visionfive2", 3.0),
    ],
)
def test_peaks_are_the_published_ones(name, gflops):
    assert 2 * TARGETS[name].peak_macs(1) / 1e9 == pytest.approx(gflops)


def test_the_documentation_lists_every_target():
    text = (Path(__file__).parents[3] / "docs" / "targets.md").read_text()
    assert [name for name in HARDWARE if f"`{name}`" not in text] == []
