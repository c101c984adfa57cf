"""What makes a program of a library on a microcontroller: its start, its memory, an example; and running that."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from string import Template
from typing import NamedTuple

from blockfront.errors import UsageError
from blockfront.steps import run_step
from blockfront.targets.hardware.microcontroller import Microcontroller
from blockfront.targets.latency.profiler.native import build_c
from blockfront.targets.library.interface import Interface

SOURCES = Path(__file__).with_name("native")
"""The folder of the C."""
BARE = "thumb-freestanding-eabihf"
"""What the C compiler calls a microcontroller whose floats are passed in registers."""
BOARD, EMULATED = "board.ld", "qemu.ld"
"""The linker's scripts: memory of the board, and of the one that QEMU emulates."""
_QEMU = "qemu-system-arm"
_SHIFT = 5
_VECTORS = 1024
_BESIDE = 64 * 1024
_MIB = 2**20


class _Memory(NamedTuple):
    """Where memories are, and their bytes, as of `Microcontroller`."""

    vectors_address: int
    flash_address: int
    flash_bytes: int
    ram_address: int
    ram_bytes: int


class _Core(NamedTuple):
    """What the linker's package calls a core with its unit for floats, and a board of QEMU's with one.

    Of that: its name, its clock in Hz, its memory.
    """

    cpu: str
    machine: str
    clock_hz: int
    memory: _Memory


_MPS2 = _Memory(0, 0, 4 * _MIB, 0x20000000, 4 * _MIB)
_MPS3 = _Memory(0, 0x01000000, 2 * _MIB, 0x21000000, 4 * _MIB)
_CORES = {
    "cortex-m4": _Core("cortex_m4+vfp4d16sp", "mps2-an386", 25_000_000, _MPS2),
    "cortex-m7": _Core("cortex_m7+fp_armv8d16sp", "mps2-an500", 25_000_000, _MPS2),
    "cortex-m55": _Core("cortex_m55+fp_armv8d16sp", "mps3-an547", 32_000_000, _MPS3),
}
"""By LLVM's names; memories are those of QEMU's hw/arm/mps2.c and mps2-tz.c."""


def check_core(target: Microcontroller) -> None:
    """Raise `UsageError` for a core that no example has run on."""
    if target.tvm_target["mcpu"] not in _CORES:
        raise UsageError(f"there is no C library for {target.name}: its core must be {', '.join(_CORES)}")


def firmware_files(interface: Interface, target: Microcontroller) -> dict[str, str]:
    """The text of each file beside the header and the archive; `interface` is that of the function in the example."""
    own = _Memory(**{name: getattr(target, name) for name in _Memory._fields})
    return {
        "start.c": (SOURCES / "start.c").read_text(),
        "example.c": _example(interface),
        BOARD: _script(own),
        EMULATED: _script(_core(target).memory),
    }


def firmware_lines(target: Microcontroller, name: str) -> tuple[tuple[str, str], ...]:
    """What builds the example in its folder, for the board and for QEMU's, and what runs it there."""
    board, emulated = (f"python -m ziglang cc {' '.join(_build(target, name, place))}" for place in (BOARD, EMULATED))
    return ("the board", board), ("QEMU", emulated), ("QEMU, to run it", " ".join(_emulate(target)))


def emulates(target: Microcontroller, flash_bytes: int = 0, ram_bytes: int = 0) -> bool:
    """Whether `run_example` has a QEMU here, and that a board on which so much fits beside the example."""
    there = _core(target).memory
    fits = flash_bytes + _BESIDE <= there.flash_bytes and ram_bytes + _BESIDE <= there.ram_bytes
    return fits and shutil.which(_QEMU) is not None


def run_example(interface: Interface, target: Microcontroller, folder: Path, work: Path, limit_s: float) -> int:
    """Build an example of a function of the library in `folder`, and run it under QEMU.

    Its inputs lie in `work`, where its outputs go. Gives the number of instructions that the function took: QEMU
    advances its clock by 2 ** `_SHIFT` ns for each. Raises `RunError` with what the compiler, the linker, QEMU or the
    example says.
    """
    for file in (f"{interface.name}.h", f"lib{interface.name}.a", "start.c", EMULATED):
        (work / file).symlink_to(folder.resolve() / file)
    (work / "example.c").write_text(_example(interface))
    build_c("the example", *_build(target, interface.name, EMULATED), folder=work)
    said = run_step("running the example", *_emulate(target), folder=work, limit_s=limit_s)
    ticks = re.search(r"(\d+) ticks", said)
    assert ticks is not None, said
    return round(int(ticks.group(1)) * 1e9 / _core(target).clock_hz / 2**_SHIFT)


def zig_cpu(target: Microcontroller) -> str:
    """The core as the linker's package calls it."""
    return _core(target).cpu


def _build(target: Microcontroller, name: str, script: str) -> list[str]:
    kind = ["-target", BARE, f"-mcpu={zig_cpu(target)}", "-O2"]
    return [*kind, "start.c", "example.c", f"lib{name}.a", "-T", script, "-o", "example.elf"]


def _emulate(target: Microcontroller) -> list[str]:
    silent = ["-nographic", "-monitor", "none", "-serial", "none"]
    counting = ["-icount", f"shift={_SHIFT}"]
    return [_QEMU, "-M", _core(target).machine, *silent, *counting, "-semihosting", "-kernel", "example.elf"]


def _core(target: Microcontroller) -> _Core:
    return _CORES[str(target.tvm_target["mcpu"])]


def _script(memory: _Memory) -> str:
    before = _VECTORS if memory.flash_address == memory.vectors_address else 0
    return _SCRIPT.substitute(
        vectors=f"0x{memory.vectors_address:08x}",
        vectors_bytes=_VECTORS,
        flash=f"0x{memory.flash_address + before:08x}",
        flash_bytes=memory.flash_bytes - before,
        ram=f"0x{memory.ram_address:08x}",
        ram_bytes=memory.ram_bytes,
    )


def _example(interface: Interface) -> str:
    prefix = interface.name.upper()
    aligned = f" __attribute__((aligned({prefix}_ALIGNMENT)));"
    sizes = {tensor.name: f"{prefix}_{tensor.name.upper()}_ELEMENTS" for tensor in interface.tensors}
    made = [f"static {one.c_type} {one.name}[{sizes[one.name]}]{aligned}" for one in interface.tensors]
    made.append(f"static char workspace[{prefix}_{interface.workspace}]{aligned}")
    moves = [
        [f'  transfer("{one.name}.bin", {mode}, {one.name}, sizeof {one.name});' for one in group]
        for mode, group in (("READ", interface.inputs), ("WRITE", interface.outputs))
    ]
    return _EXAMPLE.substitute(
        name=interface.name,
        symbol=interface.symbol,
        made="\n".join(made),
        read="\n".join(moves[0]),
        write="\n".join(moves[1]),
        arguments=", ".join(one.name for one in interface.tensors),
    )


_SCRIPT = Template("""\
/* The memory of the board, and what lies where. */
MEMORY {
  VECTORS (rx) : ORIGIN = $vectors, LENGTH = $vectors_bytes
  FLASH (rx) : ORIGIN = $flash, LENGTH = $flash_bytes
  RAM (rwx) : ORIGIN = $ram, LENGTH = $ram_bytes
}
ENTRY(_start)
SECTIONS {
  .vectors : { KEEP(*(.vectors)) } > VECTORS
  .text : { *(.text .text.*) *(.rodata .rodata.*) *(.ARM.extab*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx .ARM.exidx.*) } > FLASH
  .data : ALIGN(8) { data_start = .; *(.data .data.*) . = ALIGN(8); data_end = .; } > RAM AT > FLASH
  data_load = LOADADDR(.data);
  .bss (NOLOAD) : ALIGN(8) { bss_start = .; *(.bss .bss.* COMMON) . = ALIGN(8); bss_end = .; } > RAM
  stack_top = ORIGIN(RAM) + LENGTH(RAM);
  ASSERT(stack_top - bss_end >= 4096, "less than 4 KiB of RAM are left for the stack")
}
""")

_EXAMPLE = Template("""\
/* Runs $symbol on inputs from files of the machine that debugs or emulates the board, and writes its outputs there:
   raw numbers in torch's order, moved by semihosting, which needs a debugger that answers. */
#include "$name.h"

enum { OPEN = 1, CLOSE, SAY = 4, WRITE, READ, EXIT = 0x18, BADLY = 0x20023, WELL = 0x20026 };

$made

static int host(int what, const void *argument) {
  register int r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void fail(const char *why) {
  host(SAY, why);
  host(EXIT, (const void *)BADLY);
}

static void transfer(const char *path, int what, void *bytes, unsigned size) {
  unsigned length = 0, mode = what == READ ? 1 : 5;
  while (path[length]) length++;
  int file = host(OPEN, (const uintptr_t[]){(uintptr_t)path, mode, length});
  if (file < 0) fail("a file cannot be opened\\n");
  if (host(what, (const uintptr_t[]){(uintptr_t)file, (uintptr_t)bytes, size})) fail("a file is too short\\n");
  host(CLOSE, (const uintptr_t[]){(uintptr_t)file});
}

/* The core's own timer counts 24 bits down and calls this at each end. */
static volatile uint32_t wraps;
void SysTick_Handler(void);
void SysTick_Handler(void) { wraps++; }

static uint64_t ticks(void) {
  volatile uint32_t *value = (uint32_t *)0xE000E018;
  uint32_t before, left;
  do {
    before = wraps;
    left = *value;
  } while (before != wraps);
  return ((uint64_t)before << 24) + 0xFFFFFF - left;
}

int main(void) {
  volatile uint32_t *timer = (uint32_t *)0xE000E010;
  char number[24], *digit = number + sizeof number;
$read
  timer[1] = 0xFFFFFF;
  timer[2] = 0;
  timer[0] = 7;
  while (!timer[2]) {
  }
  uint64_t start = ticks();
  int error = $symbol($arguments, workspace);
  uint64_t took = ticks() - start;
  if (error) fail("$symbol failed\\n");
$write
  *--digit = 0;
  do *--digit = (char)('0' + took % 10);
  while (took /= 10);
  host(SAY, digit);
  host(SAY, " ticks of the processor's clock\\n");
  host(EXIT, (const void *)WELL);
  return 0;
}
""")
