"""The profiler's own C: QEMU's plugin and the kernels' harness, compiled once a machine by the linker's package."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.steps import publish, run_step

ZIG = str(resources.files("ziglang") / "zig")
SOURCES = Path(__file__).with_name("native")
"""The folder of the C."""
ARCHITECTURES = ("aarch64", "riscv64", "x86_64")
"""What the plugin can tell the instructions of."""
_PLUGIN = ("plugin", "caches", "dataflow", *ARCHITECTURES)
_COUNTING = ("plugin.c", "caches.c", "caches.h", "dataflow.c", "dataflow.h", "decode.h")
# No C library: the plugin finds QEMU's, and the harness needs none but for kernels that call one (`c_library`).
_OPTIONS = ["-O2", "-std=c11", "-fno-sanitize=all", "-fno-stack-protector", "-c"]
_ABI = {"riscv64": ["-mabi=lp64d", "-mcpu=baseline_rv64"]}


@cache
def plugin_version(architecture: str) -> str:
    """A hash of the C by which the plugin counts what an architecture's code does."""
    sources = (SOURCES / name for name in (*_COUNTING, f"{architecture}.c"))
    return digest(b"".join(path.read_bytes() for path in sources))


@cache
def harness_version() -> str:
    """A hash of the harness's C and of what compiles it: kernels copy and clear memory by its code."""
    sources = b"".join((SOURCES / name).read_bytes() for name in ("harness.c", "system.h"))
    return digest(version("ziglang").encode() + sources)


def plugin() -> Path:
    """The plugin for this machine's QEMU; raises `RunError` when it does not compile."""
    return _made("plugin.so", _build_plugin, version("ziglang"), *map(plugin_version, ARCHITECTURES))


def harness(architecture: str) -> Path:
    """The harness as an object for aarch64, riscv64 or x86_64; raises `RunError` when it does not compile."""

    def build(output: Path) -> None:
        compile_freestanding(SOURCES / "harness.c", output, architecture)

    return _made(f"harness-{architecture}.o", build, harness_version())


def c_library(architecture: str) -> Path:
    """The C library, musl and the compiler's own, for kernels that call its functions; half a minute, once a machine.

    Raises `RunError` when it does not compile.
    """

    def build(output: Path) -> None:
        empty = output.with_name("empty.c")
        empty.write_text("int main(void) { return 0; }\n")
        # What a program is linked with lies among what the compiler keeps.
        made = output.with_name("made")
        places = {f"ZIG_{place}_CACHE_DIR": str(made) for place in ("GLOBAL", "LOCAL")}
        options = ("-target", f"{architecture}-linux-musl", "-static", "-o", str(empty.with_suffix("")), str(empty))
        run_step("compiling the C library", ZIG, "cc", *options, environment={**os.environ, **places}, limit_s=600)
        libraries = map(str, sorted(made.glob("o/*/lib*.a")))
        run_step("packing the C library", ZIG, "ar", "qcsL", str(output), *libraries, limit_s=120)

    return _made(f"libc-{architecture}.a", build, version("ziglang"), architecture)


def compile_c(source: Path, output: Path, *options: str) -> None:
    """Compile C; raises `RunError` with the compiler's reason."""
    build_c(source.name, *options, "-o", str(output), str(source))


def build_c(what: str, *arguments: str, folder: Path | None = None) -> None:
    """Run the C compiler, in a folder; raises `RunError` with its reason."""
    # The compiler keeps what it makes, and without a home it asks where.
    places = {f"ZIG_{place}_CACHE_DIR": str(cache_folder() / "zig") for place in ("GLOBAL", "LOCAL")}
    environment = {**os.environ, **places}
    run_step(f"compiling {what}", ZIG, "cc", *arguments, folder=folder, environment=environment, limit_s=600)


def compile_freestanding(source: Path, output: Path, architecture: str, *options: str) -> None:
    """Compile a program that includes `system.h` as an object for one of the `ARCHITECTURES`."""
    kind = [*_ABI.get(architecture, []), "-target", f"{architecture}-freestanding", "-ffreestanding", "-fno-builtin"]
    compile_c(source, output, *_OPTIONS, *kind, f"-I{SOURCES}", *options)


def link(output: Path, *arguments: str) -> None:
    """Link; raises `RunError` with the linker's reason."""
    run_step(f"linking {output.name}", ZIG, "ld.lld", "-o", str(output), *arguments, limit_s=120)


def _build_plugin(output: Path) -> None:
    objects = [output.with_name(f"{name}.o") for name in _PLUGIN]
    for name, path in zip(_PLUGIN, objects, strict=True):
        compile_c(SOURCES / f"{name}.c", path, *_OPTIONS, "-fPIC", "-fvisibility=hidden")
    link(output, "-shared", *map(str, objects))


def _made(name: str, build: Callable[[Path], None], *versions: str) -> Path:
    key = digest("\n".join(versions), 16)
    path = cache_folder() / "profiler" / key / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder, name)
            build(made)
            publish(made, path)
    return path
