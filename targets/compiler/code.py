"""What a back end makes of a lowered network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tvm

from blockfront.targets.compiler.kernel_cache import CompiledKernel
from blockfront.targets.compiler.linking import Linked
from blockfront.targets.compiler.planning import MemoryPlan


@dataclass(frozen=True)
class Code:
    """A library and its parts.

    `library` is an ELF file that a board loads, `objects` hold the kernels alone, `kernels` are by their names in the
    lowered network. `source` is the kernels' CUDA C or OpenCL C for a GPU, otherwise empty. `runnable` is the network
    as this machine can run it, on a device of TVM's type `runs_on`; `verified_on` says how much of the code that is.
    `plan` is what a processor runs, in order, and `weights` lie at the places that it has for them.
    """

    library: Linked
    objects: tuple[bytes, ...]
    kernels: Mapping[str, CompiledKernel]
    peak_memory_bytes: int
    runnable: tvm.runtime.Module
    runs_on: str = "cpu"
    verified_on: str = "device"
    source: str = ""
    plan: MemoryPlan = field(default_factory=MemoryPlan)
    weights: tuple[np.ndarray, ...] = ()
