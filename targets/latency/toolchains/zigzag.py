"""ZigZag as a toolchain: networks as the layers and moves that its model of an accelerator is asked about."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from blockfront.errors import UsageError
from blockfront.signature import Signature
from blockfront.targets.hardware.accelerator import Accelerator
from blockfront.targets.hardware.hardware import Hardware, require
from blockfront.targets.hardware.zigzag_files import INSTALL, installed, zigzag_version
from blockfront.targets.latency.accelerators.workload import Workload, make_workload
from blockfront.targets.latency.options import FLOAT32, Asked, SimulationOptions
from blockfront.targets.latency.toolchain import Toolchain


class ZigzagToolchain(Toolchain[Workload, SimulationOptions]):
    """Networks stay what they are; the accelerator's own number format is what the simulation is in."""

    name = "zigzag"
    title = "read as layers and moves, for ZigZag's models of accelerators"
    makes = Workload
    precisions = (FLOAT32,)

    def accepts(self, hardware: Hardware) -> bool:
        """What ZigZag models."""
        return isinstance(hardware, Accelerator)

    def choose(self, asked: Asked, precision: str) -> SimulationOptions:
        """With the accelerator's files; raises `UsageError` for what is wrong with them, and for threads."""
        accelerator = require(asked.hardware, Accelerator)
        accelerator.check_threads(asked.threads)
        return SimulationOptions(accelerator, accelerator.describe(), toolchain=self.name, precision=precision)

    def prepare(self, module: nn.Module, signature: Signature, options: SimulationOptions, seed: int) -> Workload:
        """The network's layers. Raises `RunError` when too few of its MACs are in layers."""
        return make_workload(module, signature)

    def versions(self) -> Mapping[str, str]:
        """Of ZigZag; raises `UsageError` where it is not installed."""
        if not installed():
            raise UsageError(f"not installed: {INSTALL}")
        return {"zigzag-dse": zigzag_version()}
