"""TVM as a toolchain: networks compiled, and run where their libraries are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import ClassVar

from torch import nn

from blockfront.signature import Signature
from blockfront.targets.compiler.compiling import PACKAGES, compile_model
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.halves import require_float16
from blockfront.targets.hardware.hardware import Hardware, require
from blockfront.targets.hardware.integer import require_int8
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.calibration import load_calibration
from blockfront.targets.latency.meters.measure import LoadedProgram, Session
from blockfront.targets.latency.options import FLOAT16, FLOAT32, INT8, Asked, RunOptions
from blockfront.targets.latency.toolchain import Runs
from blockfront.targets.quantization import QuantizedNetwork, quantize_untrained


class TvmToolchain(Runs[Program, RunOptions]):
    """For processors by our own schedules, for GPUs by dlight's."""

    name = "tvm"
    title = "compiled by TVM: processors' kernels scheduled by our rules, GPUs' by dlight"
    makes = Program
    precisions = (FLOAT32, FLOAT16, INT8)
    options: ClassVar[tuple[str, ...]] = ("tuned",)

    def accepts(self, hardware: Hardware) -> bool:
        """What TVM makes code for."""
        return isinstance(hardware, Target)

    def choose(self, asked: Asked, precision: str) -> RunOptions:
        """All cores of the target by default, and the newest calibration of it.

        Raises `UsageError` for more threads than the target has cores, for int8 or float16 on a target without the
        arithmetic, and for a database without kernels tuned against today's rules.
        """
        target = require(asked.hardware, Target)
        if precision == INT8:
            require_int8(target)
        if precision == FLOAT16:
            require_float16(target)
        threads = target.check_threads(asked.threads)
        return RunOptions(
            target=target,
            threads=threads,
            tracker=asked.tracker,
            cooldown_s=asked.cooldown_s,
            tuned=None if asked.traces is None else asked.traces(target, threads),
            calibration=load_calibration(target),
            toolchain=self.name,
            precision=precision,
        )

    def prepare(self, module: nn.Module, signature: Signature, options: RunOptions, seed: int) -> Program:
        """The module compiled for the target and compared with torch, on the inputs that `seed` draws.

        For int8 one that is not quantised yet is, by random inputs.
        """
        if options.precision == INT8 and not isinstance(module, QuantizedNetwork):
            module = quantize_untrained(module, signature, seed)
        if isinstance(module, QuantizedNetwork):
            signature = module.bounded(signature, seed)
        return compile_model(
            module,
            signature,
            options.target,
            threads=options.threads,
            seed=seed,
            tuned=options.tuned,
            halves=options.precision == FLOAT16,
        )

    def load(self, prepared: Program, session: Session, threads: int) -> LoadedProgram:
        """A program in TVM's virtual machine on the device, whose session has set its threads."""
        return LoadedProgram(prepared, session)

    def versions(self) -> Mapping[str, str]:
        """Of what makes a program."""
        return {name: version(name) for name in PACKAGES}
