"""Kernels, weights and call order to a shared library, with the linker that the ziglang package brings."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tvm
from tvm import relax

from bench.errors import RunError
from bench.targets.kernel_cache import CompiledKernel

_TIMEOUT_S = 120


def link_program(planned: tvm.IRModule, kernels: Sequence[CompiledKernel], target: tvm.target.Target) -> bytes:
    """A shared library that TVM's virtual machine loads: the planned Relax module and the kernels it calls."""
    with tempfile.TemporaryDirectory() as folder:
        objects = _write_objects(kernels, Path(folder))
        # TVM wants a module to find the kernels in; the linker puts all objects behind this one.
        symbols = [kernel.symbol for kernel in kernels]
        module = planned
        if objects:
            module = planned.with_attr("external_mods", [tvm.runtime.load_static_library(objects[0], symbols)])
        with target:
            executable = relax.build(module, target, relax_pipeline=None)
        path = Path(folder, "network.so")
        executable.export_library(str(path), fcompile=_Linker(str(target.attrs["mtriple"]), objects[1:]))
        return path.read_bytes()


def link_kernels(kernels: Sequence[CompiledKernel]) -> bytes:
    """A shared library of kernels alone: only in such a one can each be called by its symbol over RPC."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernels.so")
        _link(str(path), _write_objects(kernels, Path(folder)))
        return path.read_bytes()


class _Linker:
    """What TVM's export calls with its own objects; also tells it the target of an export without code."""

    def __init__(self, triple: str, objects: list[str]) -> None:
        self._triple, self._objects = triple, objects

    def get_target_triple(self) -> str:
        return self._triple

    def __call__(self, output: str, objects: list[str], **_options: Any) -> None:
        _link(output, [*objects, *self._objects])


def _write_objects(kernels: Sequence[CompiledKernel], folder: Path) -> list[str]:
    paths = []
    for kernel in kernels:
        path = folder / f"{kernel.symbol}.o"
        path.write_bytes(kernel.code)
        paths.append(str(path))
    return list(dict.fromkeys(paths))


def _link(output: str, objects: list[str]) -> None:
    """Link objects for any architecture.

    The kernels call nothing but libm and TVM's runtime, which the loading process has already, so no C library
    of the target is needed and one linker serves every architecture.
    """
    command = [sys.executable, "-m", "ziglang", "ld.lld", "-shared", "-s", "-o", output, *objects]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise RunError(f"linking failed: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}")
