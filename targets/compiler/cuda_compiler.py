"""NVIDIA's compiler for the CUDA C that TVM generates. What it makes is kept on disk: TVM asks at every load."""

from __future__ import annotations

import os
import sysconfig
from importlib.metadata import version
from pathlib import Path

import tvm
import tvm_ffi
from tvm.support.nvcc import compile_cuda

from blockfront.digest import digest
from blockfront.errors import RunError
from blockfront.targets.compiler.kernel_cache import CompiledKernel, KernelCache

_HINT = (
    "code for a GPU of this machine needs NVIDIA's run-time compiler: pip install cuda-bindings nvidia-cuda-nvrtc "
    "nvidia-cuda-runtime nvidia-cuda-cccl, all 13.*, or the CUDA toolkit and CUDA_PATH set to it"
)


def use_cuda_compiler() -> None:
    """Let TVM ask `compile_for_gpu` wherever it loads CUDA C in this process."""
    tvm_ffi.register_global_func("tvm_callback_cuda_compile", compile_for_gpu, override=True)


def compile_for_gpu(code: str) -> bytes:
    """CUDA C as code for the GPU of this machine. Raises `RunError` without a compiler, and when it refuses."""
    arch = "sm_" + str(tvm.cuda(0).compute_version).replace(".", "")
    key = digest("\n".join((version("apache-tvm"), arch, code)))
    store = KernelCache()
    compiled = store.get(key)
    if compiled is None:
        compiled = CompiledKernel("cuda", None, cubin(code, arch))
        store.put(key, compiled)
    return compiled.code


def cubin(code: str, arch: str) -> bytes:
    """CUDA C as code for GPUs of compute capability `arch`, such as sm_87. Raises `RunError` as above."""
    toolkit = _toolkit()
    # Where TVM looks for the toolkit, unless nvcc is on the path.
    os.environ.setdefault("CUDA_PATH", str(toolkit))
    folders = [f"-I{folder}" for folder in (toolkit / "include" / "cccl", toolkit / "include") if folder.is_dir()]
    try:
        return bytes(compile_cuda(code, target_format="cubin", arch=arch, options=folders, compiler="nvrtc"))
    except (RuntimeError, ValueError, OSError) as error:
        lines = [line for line in str(error).splitlines() if "error" in line] or str(error).splitlines()
        hint = f"; {_HINT}" if "cuda-bindings" in str(error) else ""
        raise RunError(f"NVIDIA's compiler for {arch} failed: {lines[0]}{hint}") from error


def _toolkit() -> Path:
    """A folder with CUDA's headers: $CUDA_PATH, the system's, or what pip installed."""
    given = os.environ.get("CUDA_PATH")
    candidates = (
        [Path(given)] if given else [Path("/usr/local/cuda"), Path(sysconfig.get_path("purelib"), "nvidia/cu13")]
    )
    for folder in candidates:
        if (folder / "include" / "cuda_runtime.h").is_file():
            return folder
    raise RunError(f"no CUDA headers in {' or '.join(map(str, candidates))}; {_HINT}")
