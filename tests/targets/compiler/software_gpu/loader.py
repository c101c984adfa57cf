"""Makes a GPU in software known to TVM in this process: TVM's own CUDA runtime on the driver of `device.cpp`.

It shows that schedules and generated CUDA C are right and that the path from a network to its latency works; its times
mean nothing. Import this before `bench`.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import subprocess
from functools import partial
from pathlib import Path

import torch  # noqa: F401 - torch and TVM load their own libraries first
import tvm
import tvm_ffi

_FOLDER = Path(__file__).parent
# Names of the same length, which do not clash with the libraries that torch brings.
_RUNTIME, _DRIVER = (b"libcudart.so.13", b"libsoftrt.so.13"), (b"libcuda.so.1", b"libsoft.so.1")
_KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(([^)]*)\) \{')


def load(folder: Path) -> None:
    """Build the driver in `folder` and load TVM's CUDA runtime on it."""
    (folder / "version").write_text(f"{_RUNTIME[1].decode()} {{ global: *; }};\n")
    _compile(folder / _RUNTIME[1].decode(), [_FOLDER / "device.cpp"], f"-Wl,--version-script={folder / 'version'}")
    _compile(folder / _DRIVER[1].decode(), [_FOLDER / "device.cpp"], "-DDRIVER")
    original = Path(tvm.libinfo.find_libtvm_runtime()).parent / "libtvm_runtime_cuda.so"
    code = original.read_bytes()
    for old, new in (_RUNTIME, _DRIVER):
        code = code.replace(old, new).replace(_version_hash(old), _version_hash(new))
    (folder / original.name).write_bytes(code)
    for name in (_RUNTIME[1].decode(), _DRIVER[1].decode(), original.name):
        ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)


def compile_kernels(code: str, folder: Path) -> bytes:
    """CUDA C as a shared library in `folder`; gives its path, as the driver in software takes it."""
    name = folder / f"kernels-{hashlib.sha256(code.encode()).hexdigest()[:16]}"
    launchers = []
    for kernel, parameters in _KERNEL.findall(code):
        types = [parameter.rsplit(" ", 1)[0] for parameter in parameters.split(", ")]
        values = ", ".join(f"*({kind} *)p[{i}]" for i, kind in enumerate(types))
        launchers.append(f'extern "C" void launch_{kernel}(void **p) {{ {kernel}({values}); }}')
    code = code.replace("__shared__ alignas(64)", "alignas(64) __shared__")
    source = name.with_suffix(".cpp")
    source.write_text(f'#include "{_FOLDER / "kernels.h"}"\n' + code + "\n".join(launchers))
    (folder / "cuda.h").touch()
    _compile(name.with_suffix(".so"), [source], f"-I{folder}")
    return str(name.with_suffix(".so")).encode() + b"\0"


def use_compiler(folder: Path) -> None:
    """Let TVM compile kernels in `folder`; after importing `bench`, which has a compiler of its own."""
    compiler = partial(compile_kernels, folder=folder)
    tvm_ffi.register_global_func("tvm_callback_cuda_compile", compiler, override=True)


def _compile(output: Path, sources: list[Path], *options: str) -> None:
    command = ["g++", "-O0", "-shared", "-fPIC", "-w", f"-Wl,-soname,{output.name}", "-o", str(output)]
    subprocess.run([*command, *options, *map(str, sources), "-ldl"], check=True)


def _version_hash(name: bytes) -> bytes:
    """The hash by which the dynamic loader compares versions of symbols (System V ABI)."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        value = (value ^ ((value & 0xF0000000) >> 24)) & 0x0FFFFFFF
    return value.to_bytes(4, "little")
