"""Kernels, weights and call order to a shared library, with the linker that the ziglang package brings."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi
from tvm import relax

from blockfront.errors import RunError
from blockfront.targets.compiler.kernel_cache import CompiledKernel

# The package's own way, `python -m ziglang`, starts an interpreter only to start this.
_ZIG = str(resources.files("ziglang") / "zig")
_TIMEOUT_S = 120


class Linked:
    """A shared library that is linked when it is asked for: who predicts a latency loads none.

    A copy for another process has it.
    """

    def __init__(self, link: Callable[[], bytes]) -> None:
        self._link = link

    @classmethod
    def of(cls, content: bytes) -> Linked:
        """One that is linked already."""
        return cls(lambda: content)

    @cached_property
    def content(self) -> bytes:
        """The ELF file. Raises `RunError` when the linker fails."""
        content = self._link()
        # What it was made from may go.
        self._link = lambda: content
        return content

    def __reduce__(self) -> tuple[Callable[[bytes], Linked], tuple[bytes]]:
        return Linked.of, (self.content,)


def link_program(executable: relax.VMExecutable, kernels: Sequence[CompiledKernel], target: tvm.target.Target) -> bytes:
    """A shared library that TVM's virtual machine loads: its code and weights, and the kernels they are for."""
    with tempfile.TemporaryDirectory() as folder:
        objects = _write_objects([kernel.code for kernel in kernels], Path(folder))
        executable.mod.clear_imports()
        # TVM wants a module to find the kernels in; the linker puts all objects behind this one.
        if objects:
            symbols = [kernel.symbol for kernel in kernels]
            executable.mod.import_module(tvm.runtime.load_static_library(objects[0], symbols))
        return link_executable(executable, target, objects[1:])


def link_executable(
    executable: relax.VMExecutable, target: tvm.target.Target, more_objects: Sequence[str] = ()
) -> bytes:
    """A shared library of what an executable brings, and `more_objects`; `target` is the processor that loads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.so")
        executable.export_library(str(path), fcompile=_Linker(more_objects), fpack_imports=_packer(target))
        return path.read_bytes()


def module_objects(module: tvm.runtime.Module, target: tvm.target.Target) -> tuple[bytes, ...]:
    """The object code of a module that TVM built, and of what it imports; `target` is the processor that loads it."""
    found: list[bytes] = []

    def keep(_output: str, objects: list[str], **_options: Any) -> None:
        found.extend(Path(path).read_bytes() for path in objects)

    module.export_library("kernels.so", fcompile=keep, fpack_imports=_packer(target))
    return tuple(found)


def link_kernels(kernels: Sequence[CompiledKernel]) -> bytes:
    """A shared library of kernels alone: only in such a one can each be called by its symbol over RPC."""
    return link_objects([kernel.code for kernel in kernels])


def link_objects(objects: Sequence[bytes]) -> bytes:
    """A shared library of the object code of kernels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernels.so")
        _link(str(path), _write_objects(objects, Path(folder)))
        return path.read_bytes()


def load_library(library: bytes) -> tvm.runtime.Module:
    """A library for this machine, loaded for as long as the module lives: TVM would keep every one for ever."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "library.so")
        path.write_bytes(library)
        return tvm_ffi.load_module(path, keep_module_alive=False)


def load_program(executable: relax.VMExecutable, kernels: Sequence[CompiledKernel]) -> tvm.runtime.Module:
    """What a virtual machine here runs: its code and weights as they are in memory, with this machine's kernels."""
    executable.mod.clear_imports()
    executable.mod.import_module(load_library(link_kernels(kernels)))
    return executable.mod


class _Linker:
    """What TVM's export calls with its own objects."""

    def __init__(self, objects: Sequence[str]) -> None:
        self._objects = objects

    def __call__(self, output: str, objects: list[str], **_options: Any) -> None:
        _link(output, [*objects, *self._objects])


def _packer(target: tvm.target.Target) -> Callable[..., str]:
    """What TVM's export calls to make an object of code and weights.

    Left to itself it knows the target's triple alone, and a RISC-V processor needs its way to pass numbers as well.
    """

    def pack(module: tvm.runtime.Module, system_library: bool, prefix: str, folder: str) -> str:
        path = str(Path(folder, "packed.o"))
        make = tvm.get_global_func("runtime.ModulePackImportsToLLVM")
        make(module, system_library, str(target), prefix).write_to_file(path)
        return path

    return pack


def _write_objects(objects: Sequence[bytes], folder: Path) -> list[str]:
    """The files of the objects, each once: several kernels may share one."""
    paths = []
    for i, code in enumerate(dict.fromkeys(objects)):
        path = folder / f"{i}.o"
        path.write_bytes(code)
        paths.append(str(path))
    return paths


def _link(output: str, objects: list[str]) -> None:
    """Link objects for any architecture.

    The kernels call nothing but libm and TVM's runtime, which the loading process has already, so no C library
    of the target is needed and one linker serves every architecture. A kernel in two objects is the same in both.
    """
    command = [_ZIG, "ld.lld", "-shared", "-s", "-z", "muldefs", "-o", output, *objects]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise RunError(f"linking failed: {(done.stderr.strip() or str(done.returncode)).splitlines()[0]}")
