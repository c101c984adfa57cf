"""A tuned kernel beside the rule's on a device: the same results, and the times of both."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import tvm

from blockfront.agreement.outputs import compare
from blockfront.errors import RunError
from blockfront.signature import TOLERANCE
from blockfront.targets.compiler.kernel_cache import CompiledKernel
from blockfront.targets.compiler.kernels import pack
from blockfront.targets.compiler.linking import link_kernels
from blockfront.targets.compiler.program import Arguments
from blockfront.targets.latency.meters.measure import Session, kernel_seconds
from blockfront.targets.latency.statistics import median

_ROUNDS = 20


@dataclass(frozen=True)
class Variant:
    """One schedule of a kernel, compiled, and the arguments as it takes them."""

    compiled: CompiledKernel
    arguments: Arguments


@dataclass(frozen=True)
class VariantComparison:
    """Milliseconds of both kernels, a pair a round, and max|tuned - rule| / max|rule| of their results."""

    rule_ms: tuple[float, ...]
    tuned_ms: tuple[float, ...]
    max_rel_error: float


def compare_variants(session: Session, rule: Variant, tuned: Variant) -> VariantComparison:
    """Run both on the same random numbers, then time them in turns, in random order within each round.

    The symbols of the two must differ; `tuned` takes all its arguments unpacked. Raises `RunError` when the results
    differ by more than 1e-4.
    """
    library = session.load("variants.so", link_kernels([rule.compiled, tuned.compiled]))
    generator = np.random.default_rng(0)
    values = [
        generator.standard_normal(shape).astype(dtype) if dtype.startswith("float") else np.zeros(shape, dtype)
        for dtype, shape in tuned.arguments
    ]

    def results(kernel: CompiledKernel) -> list[np.ndarray]:
        columns = dict(kernel.packed)
        tensors = [
            tvm.runtime.tensor(pack(value, columns[i]) if i in columns else value, session.device)
            for i, value in enumerate(values)
        ]
        library[kernel.symbol](*tensors)
        return [tensor.numpy() for i, tensor in enumerate(tensors) if i not in dict(rule.compiled.packed)]

    pairs = zip(results(tuned.compiled), results(rule.compiled), strict=True)
    error = max(compare(ours, theirs)[1] for ours, theirs in pairs)
    if not error <= TOLERANCE:
        raise RunError(f"the fastest candidate's result differs from the rule's: relative error {error:.1e}")

    shuffler = random.Random(0)
    times: dict[str, list[float]] = {variant.compiled.symbol: [] for variant in (rule, tuned)}
    for _ in range(_ROUNDS):
        for variant in shuffler.sample([rule, tuned], 2):
            seconds = kernel_seconds(library, variant.compiled.symbol, variant.arguments, session.device)
            times[variant.compiled.symbol].append(1e3 * median(seconds))
    return VariantComparison(tuple(times[rule.compiled.symbol]), tuple(times[tuned.compiled.symbol]), error)
