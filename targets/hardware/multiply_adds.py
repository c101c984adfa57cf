"""How many vector multiply-adds this processor starts a cycle: measured without knowing what a cycle takes.

Two loops of the same multiply-adds, each on a register of its own: one alone, and one beside a chain of additions, two
for each multiply-add, of which every one waits for the last. An addition of two registers takes one cycle on all
processors, so the chain counts cycles while the vector units work as hard as in the other loop: their clock, which on
some falls with the width of the vectors, is the same.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import tvm

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.files import write_atomically

CHAIN = 2
"""Additions for each multiply-add: so many that the chain is the slower, whatever the processor."""
_METHOD = 1
"""Part of the key: another method may find another number."""
_STEPS = 4000
_ROUNDS = 15
_NEAR = 1.2
_CHOICES = {512: (1.0, 2.0)}
_NARROW_CHOICES = (0.5, 1.0, 2.0, 4.0)


class Throughput(msgspec.Struct, frozen=True):
    """`ratio`: what the times say, None where nothing could be timed; `a_cycle`: the number it stands for, if any."""

    processor: str
    ratio: float | None
    a_cycle: float | None


def multiply_adds(triple: str, cpu: str, bits: int, registers: int) -> Throughput | None:
    """What this machine was found to do once, with vectors of `bits` in `registers` registers.

    It is measured if nobody has yet, and kept in the cache folder, an ambiguous finding too: all kernels and studies
    of a machine are to be made for one number. None where it cannot be kept.
    """
    processor = f"{cpu}, {_identity()}"
    path = _path(processor, triple, bits)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Throughput)
    except (OSError, msgspec.MsgspecError):
        pass
    try:
        ratio = ratio_of(*time_loops(triple, cpu, bits // 32, registers))
    except Exception:  # Whatever TVM's LLVM cannot do here, the table still can.
        ratio = None
    found = Throughput(processor, ratio, None if ratio is None else nearest(ratio, bits))
    try:
        write_atomically(path, msgspec.json.encode(found), make_folders=True)
        return msgspec.json.decode(path.read_bytes(), type=Throughput)
    except (OSError, msgspec.MsgspecError):
        return None


def ratio_of(alone: float, beside: float) -> float:
    """Multiply-adds a cycle from the seconds of the two loops: `beside` takes CHAIN cycles for each of them."""
    return beside / CHAIN / alone


def nearest(ratio: float, bits: int) -> float | None:
    """The number of multiply-adds a cycle that a ratio stands for; None where it is near none."""
    choices = _CHOICES.get(bits, _NARROW_CHOICES)
    return next((choice for choice in choices if choice / _NEAR < ratio < choice * _NEAR), None)


def time_loops(triple: str, cpu: str, lanes: int, registers: int) -> tuple[float, float]:
    """Seconds of the loop of multiply-adds alone and beside the chain, the best of several each, in turns.

    TVM's LLVM compiles both in memory: no compiler or linker is needed.
    """
    target = json.dumps({"kind": "llvm", "mtriple": triple, "mcpu": cpu})
    head = tvm.get_global_func("codegen.LLVMModuleCreate")(target, "multiply_adds").inspect_source("ll")
    best = {"alone": float("inf"), "beside": float("inf")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "loops.ll")
        loops = [_loop(name, cpu, lanes, registers - 4, chain) for name, chain in (("alone", 0), ("beside", CHAIN))]
        path.write_text("\n".join([head, f"declare {_fma(lanes)}", *loops]))
        module = tvm.runtime.load_module(str(path))
        functions = {name: module[name] for name in best}
        for _ in range(_ROUNDS):
            for name, function in functions.items():
                best[name] = min(best[name], _seconds(function))
    return best["alone"], best["beside"]


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _fma(lanes: int, *operands: str) -> str:
    kind = f"<{lanes} x float>"
    return f"{kind} @llvm.fma.v{lanes}f32({', '.join(f'{kind} {one}'.strip() for one in operands or ('', '', ''))})"


def _loop(name: str, cpu: str, lanes: int, count: int, chain: int) -> str:
    """LLVM's assembly of a loop of `count` multiply-adds a step; what goes in and out of it is volatile.

    Additions take turns with exclusive ors, so that nobody makes one of several.
    """
    kind, last = f"<{lanes} x float>", count * chain
    body = []
    for i in range(count):
        body.append(f"%b{i} = call {_fma(lanes, f'%a{i}', '%half', '%half')}")
        for j in range(i * chain, (i + 1) * chain):
            body.append(f"%c{j + 1} = {'xor' if j % 2 else 'add'} i64 %c{j}, %{'other' if j % 2 else 'one'}")
    values = [f"%a{i} = phi {kind} [ %half, %entry ], [ %b{i}, %loop ]" for i in range(count)]
    stores = [f"store volatile {kind} %b{i}, ptr %vector" for i in range(count)]
    lines = [
        f"define i32 @__tvm_ffi_{name}(ptr %self, ptr %arguments, i32 %count, ptr %result) #{int(chain > 0)} {{",
        *("entry:", f"%vector = alloca {kind}, align 64", "%number = alloca i64, align 8"),
        f"store volatile {kind} splat (float 5.0e-01), ptr %vector",
        "store volatile i64 3, ptr %number",
        f"%half = load volatile {kind}, ptr %vector",
        "%one = load volatile i64, ptr %number",
        "%other = load volatile i64, ptr %number",
        *("br label %loop", "loop:", f"%left = phi i64 [ {_STEPS}, %entry ], [ %next, %loop ]"),
        f"%c0 = phi i64 [ %one, %entry ], [ %c{last}, %loop ]",
        *(*values, *body),
        *("%next = sub i64 %left, 1", "%more = icmp ne i64 %next, 0", "br i1 %more, label %loop, label %end", "end:"),
        *(f"store volatile i64 %c{last}, ptr %number", *stores, "ret i32 0", "}"),
        # The loops are made as LLVM makes all code for this processor, but with vectors as wide as they are asked for.
        f'attributes #{int(chain > 0)} = {{ "target-cpu"="{cpu}" "prefer-vector-width"="{32 * lanes}" '
        f'"min-legal-vector-width"="{32 * lanes}" }}',
    ]
    return "\n".join(lines)


def _identity() -> str:
    """What Linux tells of the first core's make; nothing elsewhere."""
    names = ("vendor_id", "cpu family", "model", "model name", "stepping", "CPU implementer", "CPU variant", "CPU part")
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return "unknown"
    pairs = [line.partition(":") for line in text.splitlines()]
    return ", ".join(f"{name.strip()} {value.strip()}" for name, _, value in pairs if name.strip() in names)


def _path(processor: str, triple: str, bits: int) -> Path:
    return cache_folder() / "processors" / f"{digest(f'{_METHOD} {processor} {triple} {bits}', 16)}.json"
