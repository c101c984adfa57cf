"""Executed aarch64 instructions per inference on the board's processor, against ncnn's or LiteRT's, with no board.

    python benchmarks/instructions.py --models mobilenetv2_100 resnet18
    python benchmarks/instructions.py --int8 --target rpi5 --models mobilenetv2_100 resnet18
    python benchmarks/instructions.py --kernels resnet18

Batch 1, one thread of the target's core under QEMU, the RK3399's Cortex-A72 by default; float32 against ncnn. With
`--int8` both are in int8: the network is quantised on random inputs, and LiteRT runs its `.tflite` file by XNNPACK,
from bytes to bytes (needs the extra `[ethos]`). The count of one inference is (count of 6 - count of 1) / 5, the same
on every run and machine but for a little of Python's own. It knows nothing of time: `--caches` adds the bytes that the
target's simulated caches fetch. `--kernels` gives the same for each kernel of one network. The first run downloads what
it needs (see qemu_root.py).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

MODELS = [
    *("mobilenetv2_100", "mobilenetv3_large_100", "efficientnet_b0", "shufflenet_v2_x1_0", "squeezenet1_1"),
    *("mnasnet_100", "regnety_004", "resnet18", "resnet50", "vit_tiny_patch16_224"),
]
CLASSES = ["multiply_add", "vector", "load", "store", "branch", "integer"]
LINE_BYTES = 64
FEW, MANY = 1, 6
# What the profiler's plugin takes for marks (targets/latency/profiler/native/plugin.c): a system call that fails.
MARK, DISCARD, FLUSH, DONE = 0x6D61726B, 0, 1, 4


# Inside the emulator: standard library, numpy, one engine and what runs engines only.


def mark(operation: int, value: int = 0) -> None:
    import os

    try:
        os.getpriority(MARK, operation << 24 | value)
    except OSError:
        return


def counted(call: Callable[[], Any]) -> None:
    """One call to warm up, one from empty caches, several more, with marks between."""
    call()
    for calls, before in ((FEW, FLUSH), (MANY, DISCARD)):
        mark(before)
        for _ in range(calls):
            call()
        mark(DONE, calls)


def emulated_bench(folder: Path) -> Any:
    import numpy as np
    import tvm
    from tvm import relax

    machine = relax.VirtualMachine(tvm.runtime.load_module(str(folder / "network.so")), tvm.cpu())
    machine.set_input("main", tvm.runtime.tensor(np.load(folder / "sample.npy"), tvm.cpu()))
    counted(lambda: machine.invoke_stateful("main"))
    return machine.get_outputs("main").numpy()


def emulated_ncnn(folder: Path) -> Any:
    import numpy as np

    from blockfront.engines.ncnn import load_ncnn

    call = load_ncnn(folder, np.load(folder / "sample.npy")[0], 1)
    counted(call)
    return np.array(call()[0])


def emulated_litert(folder: Path) -> Any:
    """XNNPACK is LiteRT's default for these processors."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(folder / "network.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.load(folder / "bytes.npy"))
    counted(interpreter.invoke)
    output = interpreter.get_output_details()[0]
    scale, zero = output["quantization"]
    return (interpreter.get_tensor(output["index"]).astype("float32") - zero) * scale


def emulated_kernels(folder: Path) -> Any:
    """Counts a call that does nothing, then every kernel of kernels.json in order."""
    import numpy as np
    import tvm

    library = tvm.runtime.load_module(str(folder / "kernels.so"))
    counted(tvm.get_global_func("runtime.NumThreads"))
    for name, arguments in json.loads((folder / "kernels.json").read_text()):
        function = library[name]
        tensors = [tvm.runtime.tensor(np.full(shape, 0.5).astype(dtype), tvm.cpu()) for dtype, shape in arguments]
        counted(partial(function, *tensors))
    return np.zeros(0, "float32")


EMULATED = {"bench": emulated_bench, "ncnn": emulated_ncnn, "litert": emulated_litert, "kernels": emulated_kernels}


# On this machine.


def emulate(engine: str, folder: Path, target: str, caches: bool) -> list[dict[str, Any]]:
    """What each `counted` of an engine's program came to, an inference or kernel each."""
    from qemu_root import run

    profiles = run(target, __file__, "--emulated", engine, str(folder))
    few = [profile.total for calls, profile in profiles if calls == FEW]
    many = [profile.total for calls, profile in profiles if calls == MANY]
    found = []
    for first, later in zip(few, many, strict=True):

        def one(name: str, first: Any = first, later: Any = later) -> float:
            return float(getattr(later, name) - getattr(first, name)) / (MANY - FEW)

        row: dict[str, Any] = {"instructions": one("instructions"), **{name: one(name) for name in CLASSES}}
        if caches:
            # The first call of a count starts from empty caches: its misses are the cold ones.
            for level in ("l1", "l2"):
                row[f"{level}_miss_bytes"] = LINE_BYTES * one(f"{level}_misses")
                row[f"cold_{level}_miss_bytes"] = LINE_BYTES * getattr(first, f"{level}_misses")
        found.append(row)
    return found


def compiled(name: str, resolution: int, target: str, int8: bool) -> tuple[Any, Any, int]:
    """A network, its program and its MACs."""
    from networks import create

    from blockfront.design_space import count_cost
    from blockfront.signature import Signature
    from blockfront.targets import compile_model, get_target
    from blockfront.targets.quantization import quantize_untrained

    model, signature = create(name, resolution), Signature.image(resolution)
    macs = count_cost(model, signature).macs
    if int8:
        model = quantize_untrained(model, signature, 0)
        signature = model.bounded(signature, 0)
    return model, compile_model(model, signature, get_target(target), threads=1), macs


def write_tflite(model: Any, signature: Any, folder: Path) -> None:
    """The file, checked operator by operator against the int8 network, and the image as it takes it."""
    import numpy as np

    from blockfront.targets.latency.ethos.network import make_tflite

    found = make_tflite(model, signature, 0)
    (folder / "network.tflite").write_bytes(found.content)
    np.save(folder / "bytes.npy", found.inputs[0])


def count_model(
    name: str, resolution: int, target: str, int8: bool, engines: list[str], caches: bool
) -> list[dict[str, Any]]:
    """One row an engine; `instructions` is None where an engine failed, and the reason is on stderr."""
    import numpy as np
    from qemu_root import prepare

    from blockfront.errors import RunError

    model, program, macs = compiled(name, resolution, target, int8)
    expected = program.outputs[0].array.ravel()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        np.save(folder / "sample.npy", program.inputs[0])
        (folder / "network.so").write_bytes(program.library.content)
        for engine in engines:
            try:
                if engine == "ncnn":
                    from blockfront.engines.ncnn_conversion import convert

                    convert(model, program.signature, folder, prepare().pnnx)
                if engine == "litert":
                    write_tflite(model, program.signature, folder)
                counts = emulate(engine, folder, target, caches)[0]
            except RunError as failure:
                print(f"{engine:6} {name} failed: {failure}", file=sys.stderr)
                rows.append({"model": name, "engine": engine, "macs": macs, "instructions": None})
                continue
            error = np.abs(np.load(folder / f"{engine}.npy").ravel() - expected).max() / np.abs(expected).max()
            rows.append({"model": name, "engine": engine, "macs": macs, **counts, "max_rel_error": float(error)})
            print(f"{engine:6} {name} {counts['instructions'] / 1e6:.1f} M", file=sys.stderr)
    return rows


def count_kernels(name: str, resolution: int, target: str, int8: bool, caches: bool) -> list[dict[str, Any]]:
    """One row a kernel, one call each, most instructions above a quarter of its MACs first."""
    _, program, _ = compiled(name, resolution, target, int8)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "kernels.so").write_bytes(program.kernel_library)
        named = [(kernel.symbol, kernel.arguments) for kernel in program.kernels]
        (folder / "kernels.json").write_text(json.dumps(named))
        nothing, *found = emulate("kernels", folder, target, caches)
    rows = []
    for kernel, counts in zip(program.kernels, found, strict=True):
        own = {key: value - nothing[key] for key, value in counts.items()}
        facts = {"kernel": kernel.name, "rule": kernel.rule, "calls": kernel.calls, "macs": kernel.macs}
        rows.append({**facts, "bytes": kernel.bytes, **own})
    return sorted(rows, key=lambda row: -row["calls"] * (row["instructions"] - row["macs"] / 4))


def model_table(rows: list[dict[str, Any]], engines: list[str]) -> str:
    """Markdown: millions of instructions an engine, and ours over the other's."""
    caches = any("l1_miss_bytes" in row for row in rows)
    heads = ["model", "MACs / 4, M", *(f"{engine}, M" for engine in engines)]
    both, other = len(engines) == 2, engines[-1]
    heads += [f"ours / {other}"] * both + [f"relative error, {engine}" for engine in engines]
    heads += [f"{engine}, MB beyond L1 | beyond L2" for engine in engines] * caches
    lines = [_line(heads), "|" + "---|" * (len(heads) + caches * len(engines))]
    cells = {(row["model"], row["engine"]): row for row in rows}
    ratios = []
    for model in dict.fromkeys(row["model"] for row in rows):
        found = [cells[model, engine] for engine in engines]
        values = [model, f"{found[0]['macs'] / 4e6:.0f}", *(_cell(row, "instructions", ".0f", 1e6) for row in found)]
        if both:
            ours, theirs = (row["instructions"] for row in found)
            if ours and theirs:
                ratios.append(ours / theirs)
            values.append(f"{ours / theirs:.2f}" if ours and theirs else "-")
        values += [_cell(row, "max_rel_error", ".0e") for row in found]
        if caches:
            values += [_cell(row, f"{level}_miss_bytes", ".1f", 1e6) for row in found for level in ("l1", "l2")]
        lines.append(_line(values))
    if ratios:
        lines.append(f"\nGeometric mean, ours / {other}: {statistics.geometric_mean(ratios):.2f}")
    return "\n".join(lines)


def kernel_table(rows: list[dict[str, Any]]) -> str:
    """Markdown: one call of each kernel; its tensors once each beside what the caches fetch from empty."""
    caches = "cold_l1_miss_bytes" in rows[0]
    heads = ["kernel", "rule", "calls", "MACs / 4, M", "instructions, M", "ratio", *(f"{c}, %" for c in CLASSES)]
    heads += ["tensors, kB", *["beyond L1, kB", "beyond L2, kB"] * caches]
    lines = [_line(heads), "|" + "---|" * len(heads)]
    for row in rows:
        least, total = row["macs"] / 4e6, row["instructions"] / 1e6
        values = [row["kernel"], row["rule"] or "none", str(row["calls"]), f"{least:.2f}", f"{total:.2f}"]
        values += [f"{total / least:.2f}" if least else "-"]
        values += [f"{100 * row[name] / row['instructions']:.0f}" for name in CLASSES]
        values += [f"{row['bytes'] / 1e3:.0f}"]
        if caches:
            values += [f"{row[f'cold_{level}_miss_bytes'] / 1e3:.0f}" for level in ("l1", "l2")]
        lines.append(_line(values))
    return "\n".join(lines)


def _cell(row: dict[str, Any], key: str, style: str, scale: float = 1.0) -> str:
    return "failed" if row["instructions"] is None else format(row[key] / scale, style)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    if sys.argv[1:2] == ["--emulated"]:
        import numpy as np

        engine, folder = sys.argv[2], Path(sys.argv[3])
        np.save(folder / f"{engine}.npy", EMULATED[engine](folder))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, help="names known to timm or torchvision")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--target", default="rk3399")
    parser.add_argument("--engines", nargs="+", choices=["bench", "ncnn", "litert"], help="two at most; ours first")
    parser.add_argument("--kernels", metavar="MODEL", help="count each kernel of this network instead")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--caches", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    engines = sorted(set(arguments.engines or ["bench", "litert" if arguments.int8 else "ncnn"]))
    about = arguments.resolution, arguments.target, arguments.int8
    from blockfront.errors import RunError

    try:
        if arguments.kernels:
            rows = count_kernels(arguments.kernels, *about, arguments.caches)
            text = kernel_table(rows)
        else:
            models = dict.fromkeys(arguments.models)
            rows = [row for m in models for row in count_model(m, *about, engines, arguments.caches)]
            text = model_table(rows, engines)
    except RunError as error:
        raise SystemExit(str(error)) from error
    print(json.dumps(rows) if arguments.json else text)


if __name__ == "__main__":
    main()
