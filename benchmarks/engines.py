"""CPU runtimes, each set up for latency as its documentation says, and the process that times one of them.

    python benchmarks/engines.py ENGINE THREADS RESOLUTION FILE NETWORK...

appends a JSON line to FILE for each network, and ends at the first that fails, with the reason on stderr.
"""

from __future__ import annotations

import faulthandler
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import create
from torch import nn

from blockfront.engines import ENGINES
from blockfront.engines.timing import sample_ms
from blockfront.signature import Signature

SECONDS, LEAST_SAMPLES = 0.5, 10
WARM_UP_SECONDS, WARM_UP_CALLS = 0.2, 5
TOLERANCE = 1e-3
LIMIT_SECONDS = 1200

Call = Callable[[], Any]
"""One inference from a prepared image; gives the output as NumPy can read it."""


def bench(model: nn.Module, image: torch.Tensor, threads: int) -> Call:
    import tvm

    from blockfront.targets import compile_model, get_target
    from blockfront.targets.compiler.threads import use_threads

    program = compile_model(model, Signature.image(image.shape[-1]), get_target("host"), threads=threads)
    use_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.so")
        path.write_bytes(program.library.content)
        main = tvm.relax.VirtualMachine(tvm.runtime.load_module(str(path)), tvm.cpu())["main"]
    tensor = tvm.runtime.tensor(image.numpy())
    return lambda: np.from_dlpack(main(tensor))


def engine(name: str, model: nn.Module, image: torch.Tensor, threads: int) -> Call:
    """An engine that is a toolchain, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        ENGINES[name].write(model, Signature.image(image.shape[-1]), Path(folder))
        infer = ENGINES[name].start(Path(folder), [image.numpy()], threads)
    return lambda: infer()[0]


def pytorch(model: nn.Module, image: torch.Tensor, threads: int) -> Call:
    torch.set_num_threads(threads)
    model = model.to(memory_format=torch.channels_last)
    image = image.contiguous(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: model(image))


def torch_compile(model: nn.Module, image: torch.Tensor, threads: int) -> Call:
    """Inductor with weights frozen into the graph, without its autotuning."""
    import torch._dynamo
    import torch._inductor.config

    # One process compiles many networks of one class: past a limit torch would run them uncompiled, silently.
    torch._dynamo.reset()
    torch._inductor.config.freezing = True
    compiled: Any = torch.compile(model)
    return pytorch(compiled, image, threads)


CALLS: dict[str, Callable[[nn.Module, torch.Tensor, int], Call]] = {
    "bench": bench,
    **{name: partial(engine, name) for name in ENGINES},
    "pytorch": pytorch,
    "torch.compile": torch_compile,
}
_PACKAGES = {"pytorch": "torch", "torch.compile": "torch"}


def measure(engine: str, name: str, resolution: int, threads: int) -> dict[str, Any]:
    """Median milliseconds of an inference at batch 1.

    Raises ValueError when the output is not torch's or more than `threads` threads work.
    """
    call, error = prepare(engine, name, resolution, threads)
    samples, used = timed(call)
    if used is not None and used > threads:
        raise ValueError(f"{used} threads work, not {threads}")
    return {
        "median_ms": statistics.median(samples),
        "samples": len(samples),
        "threads_used": used,
        "max_rel_error": error,
        "version": engine_version(engine),
    }


def prepare(engine: str, name: str, resolution: int, threads: int) -> tuple[Call, float]:
    """The network's inference, and how far its output is from torch's; raises ValueError where that is too far."""
    # So that torch's own threads are there only where torch is timed.
    torch.set_num_threads(1)
    model = create(name, resolution)
    image = torch.randn(1, 3, resolution, resolution, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(image).numpy()
    call = CALLS[engine](model, image, threads)
    error = float(np.abs(np.asarray(call()) - expected).max() / np.abs(expected).max())
    if not error < TOLERANCE:
        raise ValueError(f"the output differs from torch: relative error {error:.1e}")
    return call, error


def engine_version(engine: str) -> str:
    """The version of the package that an engine is from."""
    return version(_PACKAGES.get(engine, engine))


def timed(call: Call) -> tuple[list[float], int | None]:
    """Milliseconds of single calls after a warm-up, and how many threads shared the work where that could be told."""
    once, _ = sample_ms(call, 1, WARM_UP_CALLS)
    before, _ = sample_ms(call, 1, max(1, round(1e3 * WARM_UP_SECONDS / min(once))))
    return sample_ms(call, 1, max(LEAST_SAMPLES, round(1e3 * SECONDS / min(before))))


def main() -> None:
    engine, threads, resolution, file, *names = sys.argv[1:]
    for name in names:
        faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
        try:
            row = measure(engine, name, int(resolution), int(threads))
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise SystemExit(f"{type(error).__name__}: {reason}") from error
        with open(file, "a") as rows:
            rows.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
