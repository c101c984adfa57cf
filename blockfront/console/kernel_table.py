"""A network's kernels as a table: their times, and the rates they reach against the device's peak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blockfront.console.tables import print_line, print_table

INSTRUCTIONS = ("multiply_add", "vector", "load", "store", "branch", "integer")
LINE_BYTES = 64


def print_kernels(profiled: Mapping[str, Any]) -> None:
    """The table of a profiled network's `kernels`, the longest first, and under it what its peaks are."""
    kernels = sorted(profiled["kernels"], key=lambda kernel: -kernel["ms"])
    if not kernels:
        return
    npu = profiled.get("npu")
    rows = [npu_row(one, profiled["peak"]) if npu else kernel_row(one, profiled["peak"]) for one in kernels]
    print_line()
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    print_line(npu_line(npu) if npu else peak_line(profiled))
    for kernel in kernels:
        if kernel.get("reason"):
            print_line(reason_line(kernel))
    if profiled.get("coverage"):
        print_line(coverage_line(profiled["coverage"]))


def kernel_row(kernel: Mapping[str, Any], peak: Mapping[str, Any] | None) -> dict[str, str]:
    """Header to cell. A multiply-add is two operations; bytes are every tensor's, read or written once.

    Of a kernel counted under emulation, what it executes and what its caches fetch are there too.

    With a peak, "bound" names the part of it that takes longer over the kernel's work, and "lost ms" is the measured
    time beyond that (the roofline of Williams et al., 2009). A kernel that takes less than memory would over its bytes
    has them in caches, which is then its bound; a tensor of which only a part is read counts whole.
    """
    ms, rule = kernel["ms"], kernel.get("rule", "")
    row = {
        "kernel": kernel["name"],
        "rule": "none" if rule is None else rule,
        "calls": f"{kernel['calls']}",
        "ms": f"{ms:.4f}",
        "share %": f"{100 * kernel['share']:.1f}",
        "GFLOP/s": _rate(2 * kernel["macs"] / ms / 1e6),
        "GB/s": _rate(kernel["bytes"] / ms / 1e6),
    }
    if kernel.get("energy_mj") is not None:
        row["mJ"] = f"{kernel['energy_mj']:.4g}"
    counts = kernel.get("counts")
    if counts:
        instructions = sum(counts[name] for name in INSTRUCTIONS)
        memory = counts["l3_misses"] or counts["l2_misses"]
        row |= {
            "instructions M": f"{instructions / 1e6:.2f}",
            "multiply-adds %": f"{100 * counts['multiply_add'] / instructions:.0f}",
            "beyond L1 MB": f"{LINE_BYTES * counts['l1_misses'] / 1e6:.2f}",
            "from memory MB": f"{LINE_BYTES * memory / 1e6:.2f}",
        }
    if peak is None:
        return row
    compute_ms, memory_ms = _least_ms(kernel, peak)
    row |= {
        "GFLOP/s %": f"{100 * compute_ms / ms:.0f}",
        "GB/s %": f"{100 * memory_ms / ms:.0f}",
        "bound": "compute" if compute_ms > memory_ms else "caches" if _beats_memory(kernel, peak) else "memory",
    }
    return row | {"lost ms": f"{_lost_ms(kernel, peak):.4f}"} if peak["source"] == "measured" else row


def npu_row(kernel: Mapping[str, Any], peak: Mapping[str, Any]) -> dict[str, str]:
    """Header to cell, of an operator that a vendor's compiler estimates; "waits for" is what takes longest of it."""
    return {
        "operator": kernel["name"],
        "parts": f"{kernel['calls']}",
        "ms": f"{kernel['ms']:.4f}",
        "share %": f"{100 * kernel['share']:.1f}",
        "MACs %": f"{200 * kernel['macs'] / peak['gflops'] / 1e6 / kernel['ms']:.0f}",
        "waits for": kernel["rule"],
    }


def npu_line(npu: Mapping[str, Any]) -> str:
    """How many cycles, of which system, and what is left to the processor."""
    left = ", ".join(f"{number} {name}" for name, number in npu["fallbacks"].items())
    cycles = f"{npu['cycles'] / 1e6:.3f} M cycles of the NPU, {npu['total_cycles'] / 1e6:.3f} M with its memories"
    on_npu = f"{npu['macs']:.1%} of the layers' MACs on the NPU"
    return f"{cycles} ({npu['system_config']}, {npu['memory_mode']}); {on_npu}. " + (
        f"Left to the processor, whose time is not in the latency: {left}." if left else "Nothing falls back."
    )


def peak_line(profiled: Mapping[str, Any]) -> str:
    """What the percentages are of, and where that is from; for measured kernels, what they lose to it."""
    peak = profiled["peak"]
    if peak is None:
        return "No peak was kept with this latency; `bench profile` compares kernels on a processor with one."
    # Layers that stay floats in an int8 network have a product of one.
    products = max((kernel.get("products", 1) for kernel in profiled["kernels"]), default=1)
    figures = f"{_rate(peak['gflops'] * products)} GFLOP/s (a multiply-add is two), {_rate(peak['gbs'])} GB/s"
    threads = "" if profiled["threads"] is None else f" with --threads {profiled['threads']}"
    form = "" if profiled["precision"] == "float32" else f" in {profiled['precision']}"
    percent = f"% of the peak{threads}: {figures}{form},"
    cached = any(_beats_memory(kernel, peak) for kernel in profiled["kernels"])
    caches = " Above 100 % of its GB/s are kernels whose tensors are in caches, which give more than memory." * cached
    if peak["source"] != "measured":
        return f"{percent} by the figures of {profiled['target']}'s definition.{caches}"
    lost = sum(_lost_ms(kernel, peak) for kernel in profiled["kernels"])
    total = sum(kernel["ms"] for kernel in profiled["kernels"])
    return f"{percent} measured on {profiled['device']}. Kernels lose {lost:.4g} of their {total:.4g} ms to it.{caches}"


def reason_line(kernel: Mapping[str, Any]) -> str:
    """Why a kernel has no schedule, or one of dlight's later ones."""
    scheduled = "unscheduled" if kernel["rule"] is None else f"scheduled by {kernel['rule']}"
    return f"{kernel['name']} is {scheduled}: {kernel['reason']}"


def coverage_line(coverage: Mapping[str, Any]) -> str:
    """What a simulation models of the network, and what costs nothing in it."""

    def counted(key: str) -> str:
        return ", ".join(f"{count} {name}" for name, count in coverage[key].items()) or "nothing"

    return (
        f"Layers have {coverage['macs']:.2%} of the MACs and write {coverage['activations']:.1%} of the "
        f"activations' bytes; other operators cost the data they move, their arithmetic is not modelled. "
        f"Not modelled, at no cost: {counted('fused')} applied by the operator before; {counted('addressing')} as "
        "addressing."
    )


def _rate(value: float) -> str:
    """A microcontroller's are hundredths."""
    return f"{value:.1f}" if value >= 1 or value == 0 else f"{value:.2g}"


def _least_ms(kernel: Mapping[str, Any], peak: Mapping[str, Any]) -> tuple[float, float]:
    """Milliseconds the kernel's arithmetic and its traffic take at the peak; products of bytes have a higher one."""
    operations = 2 * kernel["macs"] / kernel.get("products", 1)
    return operations / peak["gflops"] / 1e6, kernel["bytes"] / peak["gbs"] / 1e6


def _beats_memory(kernel: Mapping[str, Any], peak: Mapping[str, Any]) -> bool:
    """Whether its tensors cannot all have come through memory, by more than a time is rounded."""
    return _least_ms(kernel, peak)[1] > 1.005 * float(kernel["ms"])


def _lost_ms(kernel: Mapping[str, Any], peak: Mapping[str, Any]) -> float:
    """Milliseconds beyond both; none for a kernel that its caches serve faster than memory could."""
    return max(0.0, float(kernel["ms"]) - max(_least_ms(kernel, peak)))
