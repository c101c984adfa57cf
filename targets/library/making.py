"""Compiling and linking: a program to an archive, a shared library, a header and an example."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from blockfront.errors import RunError, UsageError
from blockfront.plurals import counted
from blockfront.steps import run_step
from blockfront.targets.compiler.elf import ObjectFile
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.integer import has_features
from blockfront.targets.hardware.microcontroller import Microcontroller
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.profiler.native import ZIG, compile_c, link
from blockfront.targets.library.detecting import BoxPrograms, Detecting
from blockfront.targets.library.firmware import BARE, SOURCES, check_core, firmware_files, firmware_lines, zig_cpu
from blockfront.targets.library.interface import ALIGNMENT, Interface
from blockfront.targets.library.plan import LibraryLayout, plan_source, weights_bytes

_OPTIONS = ["-O2", "-std=c11", "-fvisibility=hidden", "-fno-sanitize=all", "-fno-stack-protector", "-c"]
_SYSTEMS = {"x86_64": "linux-gnu", "aarch64": "linux-gnu", "riscv64": "linux-gnu", "arm": "linux-gnueabihf"}
_OTHER_OPTIONS = {"riscv64": ["-mabi=lp64d", "-mcpu=baseline_rv64"], "arm": ["-mcpu=generic+v7a+neon"]}
_GOT_PREL, _REL32 = 96, 3
"""Relocations of 32-bit Arm: the distance to an address's entry in a table, and to the symbol itself."""
_UNUSED = "SECTIONS { /DISCARD/ : { *(.ARM.ex* .rel.ARM.ex* .text.tvm.fp16.conv .debug* .rel.debug*) } }"
"""A linker's script that drops what kernels bring and nothing reads: unwinding tables, conversions, line numbers."""


@dataclass(frozen=True)
class Library:
    """What a C library takes, in bytes: of code and its tables, of weights, and of the workspace of an inference.

    `interface` is that of the network; of a detector `detecting` has what is there besides. `build`: what the example
    is built and run with in the library's folder, each line after where it serves.
    """

    interface: Interface
    build: tuple[tuple[str, str], ...]
    code_bytes: int
    weights_bytes: int
    workspace_bytes: int
    detecting: Detecting | None = None

    @property
    def whole_workspace_bytes(self) -> int:
        """The workspace of the usual one of its functions."""
        return self.workspace_bytes if self.detecting is None else self.detecting.whole_workspace_bytes

    @property
    def functions(self) -> tuple[Interface, ...]:
        """All that users call, the usual one first."""
        if self.detecting is None:
            return (self.interface,)
        return (self.detecting.interface, self.interface, *self.detecting.steps)

    @property
    def flash_bytes(self) -> int:
        """Of code and weights."""
        return self.code_bytes + self.weights_bytes

    @property
    def ram_bytes(self) -> int:
        """Of an inference by the usual function: its tensors and workspace."""
        return self.whole_workspace_bytes + sum(one.bytes for one in self.functions[0].tensors)


def make_library(
    program: Program,
    target: Target,
    folder: Path,
    name: str = "net",
    boxes: BoxPrograms | None = None,
    preparing: str = "",
) -> Library:
    """Write `NAME.h`, `libNAME.a`, `libNAME.so` and `example.c` to a folder; `boxes` are what follows a detector.

    Programs must have been compiled `alone`. Only the header's functions are visible in the archive and in the shared
    library, which need a C library, and for several threads POSIX threads. The header begins with `preparing`, what is
    to be said of inputs. For a microcontroller there is no shared library, and what its example needs besides
    (`firmware_files`). Raises `UsageError` for a target without such a compiler and for a name that C does not take,
    `RunError` when the compiler or the linker fails, or when a microcontroller has not the memory.
    """
    triple, bare = c_triple(target), target if isinstance(target, Microcontroller) else None
    called = {"run": program, **({} if boxes is None else boxes.steps)}
    programs = list(called.values())
    interfaces = [Interface.of(one, name, function) for function, one in called.items()]
    layouts = LibraryLayout.of_all(programs)
    codes = [code for one in programs for code in one.objects]
    if not layouts[0].scratch[0] and any(b"__TVMBackendAllocWorkspace" in code for code in codes):
        raise RunError("a kernel takes memory that its loops do not show")
    workspace = max(layout.workspace for layout in layouts)
    detecting = None if boxes is None else Detecting(boxes, interfaces[0], tuple(interfaces[1:]), workspace)
    functions = [one.symbol for one in (*interfaces, *([] if detecting is None else [detecting.interface]))]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        objects = [work / f"{i}.o" for i in range(len(codes))]
        for path, code in zip(objects, codes, strict=True):
            path.write_bytes(code)
        (work / "weights.bin").write_bytes(b"".join(weights_bytes(one.weights) for one in programs))
        more = "" if detecting is None else detecting.source
        (work / "plan.h").write_text(plan_source(programs, layouts, interfaces, str(work / "weights.bin"), more))
        own = work / "network.o"
        kind = [f"-mcpu={zig_cpu(bare)}"] if bare else ["-fPIC", *_OTHER_OPTIONS.get(target.architecture, [])]
        options = [*_OPTIONS, *kind, "-target", triple]
        compile_c(SOURCES / "network.c", own, *options, f"-I{work}")
        whole = work / f"{name}.o"
        # Kernels bring weak ones of TVM's pointers: ours are met first.
        (work / "unused.ld").write_text(_UNUSED)
        script = ["-T", str(work / "unused.ld")] if bare else []
        link(whole, "-r", "-S", "-z", "muldefs", *script, str(own), *map(str, objects))
        relocations = {_GOT_PREL: _REL32} if bare else {}
        content = ObjectFile(whole.read_bytes()).hiding(lambda symbol: symbol in functions, relocations)
        whole.write_bytes(content)
        archive, shared = folder / f"lib{name}.a", folder / f"lib{name}.so"
        run_step("writing the archive", ZIG, "ar", "rcs", str(archive), str(whole), limit_s=60)
        if not bare:
            link(shared, "-shared", "-s", "-z", "nodelete", f"-soname=lib{name}.so", str(whole))
    loaded = ObjectFile(content).loaded_bytes()
    weights = loaded.pop(".rodata.weights", 0)
    interface = interfaces[0]
    build = firmware_lines(bare, name) if bare else build_lines(triple, name)
    library = Library(interface, build, sum(loaded.values()), weights, workspace, detecting)
    target.check_room(library.flash_bytes, library.ram_bytes)
    sizes: dict[str, object] = {
        "THREADS": program.threads,
        "ALIGNMENT": ALIGNMENT,
        "CODE_BYTES": library.code_bytes,
        "WEIGHTS_BYTES": weights,
        "WORKSPACE_BYTES": library.workspace_bytes,
    }
    threads = counted(program.threads, "thread")
    dtypes = {dtype for kernel in program.kernels for dtype, _ in kernel.arguments}
    number = "float16" if "float16" in dtypes else "int8" if dtypes & {"int8", "uint8"} else "float32"
    indented = f"\n{indent(preparing, '   ')}" if preparing else ""
    title = f"A network for {target.title}: {number}, {threads}.{indented}"
    others, shows = "", ""
    if detecting is not None:
        sizes, others, shows = sizes | detecting.constants, detecting.header, detecting.shows
    header = interface.header(title, sizes, library.functions, others, concurrent=bare is None)
    usual = library.functions[0]
    files = firmware_files(usual, bare) if bare else {"example.c": usual.example(shows)}
    for file, text in ({f"{name}.h": header} | files).items():
        (folder / file).write_text(text)
    return library


def build_lines(triple: str, name: str) -> tuple[tuple[str, str], ...]:
    """What builds the example, in the folder: with the linker's package from any machine, and with a compiler there."""
    rest = f"-O2 example.c lib{name}.a -lm -lpthread -o example"
    here = f"python -m ziglang cc -target {triple} {rest}"
    return ("any machine", here), ("a compiler of the target", f"cc {rest}")


def c_triple(target: Target) -> str:
    """What the C compiler calls a target. Raises `UsageError` for one that it has no name for."""
    if isinstance(target, Microcontroller):
        check_core(target)
        return BARE
    known = target.device_type == "cpu" and target.architecture in _SYSTEMS
    if not known or (target.architecture == "arm" and not has_features(target.tvm_target, "neon")):
        raise UsageError(
            f"there is no C library for {target.name}: it is for processors that run Linux (of 32-bit Arm those with "
            "NEON), and microcontrollers"
        )
    return f"{target.architecture}-{_SYSTEMS[target.architecture]}"
