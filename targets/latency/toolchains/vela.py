"""Files for Arm's compiler as a toolchain: networks quantised, written as `.tflite` and checked."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from torch import nn

from blockfront.errors import UsageError
from blockfront.signature import Signature
from blockfront.targets.hardware.ethos import INSTALL_VELA, EthosU, vela_installed
from blockfront.targets.hardware.hardware import Hardware, require
from blockfront.targets.latency.ethos.network import TfliteNetwork, make_tflite
from blockfront.targets.latency.options import INT8, Asked, EstimateOptions
from blockfront.targets.latency.toolchain import Toolchain


class VelaToolchain(Toolchain[TfliteNetwork, EstimateOptions]):
    """For Ethos-U, in int8."""

    name = "vela"
    title = "quantised, written as a .tflite file for Arm's compiler, and checked by LiteRT"
    makes = TfliteNetwork
    precisions = (INT8,)

    def accepts(self, hardware: Hardware) -> bool:
        """Arm's NPUs."""
        return isinstance(hardware, EthosU)

    def choose(self, asked: Asked, precision: str) -> EstimateOptions:
        """Raises `UsageError` for threads, and where the compiler is not installed."""
        target = require(asked.hardware, EthosU)
        target.check_threads(asked.threads)
        self.versions()
        return EstimateOptions(target, toolchain=self.name, precision=precision)

    def prepare(self, module: nn.Module, signature: Signature, options: EstimateOptions, seed: int) -> TfliteNetwork:
        """The checked file; raises `RunError` as `make_tflite` does."""
        return make_tflite(module, signature, seed)

    def versions(self) -> Mapping[str, str]:
        """Of the compiler and the interpreter; raises `UsageError` where they are not installed."""
        if not vela_installed():
            raise UsageError(f"not installed: {INSTALL_VELA}")
        return {name: version(name) for name in ("ethos-u-vela", "ai-edge-litert")}
