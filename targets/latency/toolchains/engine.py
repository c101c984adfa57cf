"""Each engine as a toolchain: networks converted to its files, and run by it in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from blockfront.agreement.outputs import (
    WINOGRAD_FLOOR,
    Output,
    compare_all,
    disagreement,
    torch_outputs,
    worst,
)
from blockfront.engines import Engine, Runtime
from blockfront.engines.process import npy_bytes
from blockfront.errors import RunError
from blockfront.results.latency import KernelTime
from blockfront.signature import Signature
from blockfront.targets.compiler.randomize import random_constants
from blockfront.targets.hardware.hardware import Hardware, require
from blockfront.targets.hardware.target import Processor
from blockfront.targets.latency.meters.measure import EngineRun, Session
from blockfront.targets.latency.options import FLOAT32, Asked, RunOptions
from blockfront.targets.latency.toolchain import Runs


@dataclass(frozen=True)
class EngineNetwork:
    """A network in an engine's files, by their names, with inputs and what torch computes for them."""

    engine: str
    files: Mapping[str, bytes]
    inputs: tuple[np.ndarray, ...]
    outputs: tuple[Output, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    unscheduled_kernels: None = None
    tuned_kernels: None = None
    peak_memory_bytes: None = None

    @property
    def contents(self) -> dict[str, bytes]:
        """The files and the inputs, as `EngineProcess` takes them."""
        return {**self.files, **{f"input.{i}.npy": npy_bytes(array) for i, array in enumerate(self.inputs)}}


class LoadedNetwork:
    """A network that an engine runs in a process of its own, its outputs compared with torch's."""

    def __init__(self, network: EngineNetwork, running: EngineRun) -> None:
        self._running, self.versions = running, running.versions
        try:
            errors = compare_all(network.outputs, running.outputs)
        except ValueError as error:
            raise RunError(f"{network.engine}: {error}") from error
        self.max_abs_error, self.max_rel_error, self.torch_rel_error = worst(errors)
        wrong = disagreement(errors, f"of {network.engine}")
        if wrong is not None:
            raise RunError(wrong)

    def milliseconds(self, number: int, repeat: int) -> list[float]:
        """By the engine's process, without what it takes to ask it."""
        return self._running.milliseconds(number, repeat)

    def kernels(self) -> tuple[KernelTime, ...]:
        """Engines are not looked into."""
        return ()


class RunsEngine(Runs[EngineNetwork, RunOptions]):
    """For this machine's processor and those of boards that run Linux."""

    makes = EngineNetwork

    def __init__(self, engine: Runtime) -> None:
        self._engine = engine
        self.name = engine.name
        self.title = f"{engine.title}, in a process of its own"

    def accepts(self, hardware: Hardware) -> bool:
        """The processor of this machine, or of a board with a system."""
        return isinstance(hardware, Processor) and hardware.serves

    def choose(self, asked: Asked, precision: str) -> RunOptions:
        """All cores by default; raises `UsageError` where the engine is not installed."""
        self.versions()
        target = require(asked.hardware, Processor)
        return RunOptions(
            target=target,
            threads=target.check_threads(asked.threads),
            tracker=asked.tracker,
            cooldown_s=asked.cooldown_s,
            toolchain=self.name,
            precision=precision,
        )

    def load(self, prepared: EngineNetwork, session: Session, threads: int) -> LoadedNetwork:
        """Wherever the session is."""
        if session.start_engine is None:
            raise RunError(f"{session.name} starts no engines")
        return LoadedNetwork(prepared, session.start_engine(self.name, prepared.contents))

    def versions(self) -> Mapping[str, str]:
        """Of the engine and what converts for it."""
        return self._engine.versions()


class EngineToolchain(RunsEngine):
    """In float32, by the engine's own converter."""

    _engine: Engine
    precisions = (FLOAT32,)

    def prepare(self, module: nn.Module, signature: Signature, options: RunOptions, seed: int) -> EngineNetwork:
        """The network in the engine's files, with the constants that `seed` draws, as `compile_model` has them.

        Outputs may be off as those with Winograd's transforms may, which engines use unasked.
        """
        samples = signature.random(seed)
        with random_constants(module.eval(), seed, samples), tempfile.TemporaryDirectory() as name:
            outputs = torch_outputs(module, signature, seed, WINOGRAD_FLOOR)
            try:
                self._engine.write(module, signature, Path(name))
            except RunError as error:
                raise RunError(f"converting for {self.name} failed: {error}") from error
            files = {path.name: path.read_bytes() for path in sorted(Path(name).iterdir())}
        inputs = tuple(sample.numpy() for sample in samples)
        return EngineNetwork(self.name, files, inputs, outputs, self.versions())
