"""Reading a network as layers, for NPUs of which a few rates are known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from blockfront.signature import Signature
from blockfront.targets.hardware.fitted import FittedNpu
from blockfront.targets.hardware.hardware import Hardware, require
from blockfront.targets.latency.accelerators.workload import Workload, make_workload
from blockfront.targets.latency.options import FLOAT32, Asked, FittedOptions
from blockfront.targets.latency.toolchain import Toolchain


class LayersToolchain(Toolchain[Workload, FittedOptions]):
    """Networks stay what they are; the published latencies are of int8."""

    name = "layers"
    title = "read as layers and moves, for models fitted on published latencies"
    makes = Workload
    precisions = (FLOAT32,)

    def accepts(self, hardware: Hardware) -> bool:
        """What rates were fitted of."""
        return isinstance(hardware, FittedNpu)

    def choose(self, asked: Asked, precision: str) -> FittedOptions:
        """Raises `UsageError` for threads."""
        target = require(asked.hardware, FittedNpu)
        target.check_threads(asked.threads)
        return FittedOptions(target, toolchain=self.name, precision=precision)

    def prepare(self, module: nn.Module, signature: Signature, options: FittedOptions, seed: int) -> Workload:
        """The network's layers. Raises `RunError` when too few of its MACs are in layers."""
        return make_workload(module, signature)

    def versions(self) -> Mapping[str, str]:
        """Of torch, whose operators are read."""
        return {"torch": str(torch.__version__)}
