"""Building and timing the candidates of a search: one that crashes or hangs costs itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import tvm

from blockfront.targets.compiler.building import lower_kernel, object_code
from blockfront.targets.compiler.kernel_cache import CompiledKernel
from blockfront.targets.compiler.linking import link_kernels
from blockfront.targets.compiler.program import Arguments
from blockfront.targets.latency.meters.measure import Measures, kernel_seconds
from blockfront.targets.latency.options import RunOptions
from blockfront.targets.tuning.processes import Failure, Processes

_SYMBOL = "candidate"
_BUILD_S = 60

CandidateTimes = list[float] | Failure
"""Times in seconds, or why there are none."""


@dataclass(frozen=True)
class Candidates:
    """Builds candidates in parallel, then times them one after the other with nothing else running."""

    meter: Measures
    options: RunOptions
    builders: Processes
    timer: Processes

    def measure(self, modules: Sequence[tvm.IRModule], arguments: Arguments) -> Iterator[CandidateTimes]:
        """Seconds of a few executions of each module's `main`, or why it has none."""
        target = self.options.target.compiler()
        libraries = list(self.builders.map(_build, [(module, target) for module in modules]))
        return self.timer.map(_time, [(self.meter, self.options, library, arguments) for library in libraries])


@contextmanager
def open_candidates(meter: Measures, options: RunOptions, builders: int) -> Iterator[Candidates]:
    """Processes that build and time candidates, each for the options' `timeout_s` at most."""
    with Processes(builders, _BUILD_S) as building, Processes(1, options.timeout_s) as timing:
        yield Candidates(meter, options, building, timing)


def _build(module: tvm.IRModule, target: tvm.target.Target) -> bytes:
    code = object_code(lower_kernel(module["main"], _SYMBOL), target)
    return link_kernels([CompiledKernel(_SYMBOL, None, code)])


def _time(meter: Measures, options: RunOptions, library: bytes | Failure, arguments: Arguments) -> CandidateTimes:
    if isinstance(library, Failure):
        return library
    with meter.session(options) as session:
        return kernel_seconds(session.load("candidate.so", library), _SYMBOL, arguments, session.device)
