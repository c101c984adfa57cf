"""Networks compiled for this machine, measured on it and profiled under emulation of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from inspect import getsource
from pathlib import Path

import msgspec

from blockfront.console.progress import Advance, Progress
from blockfront.content_store import cache_folder
from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.models import find_model
from blockfront.digest import digest
from blockfront.errors import RunError, UsageError
from blockfront.results.latency import Visit
from blockfront.services.profile import prepare
from blockfront.targets import Program, RunOptions, get_processor
from blockfront.targets.compiler.kernel_cache import rules_version
from blockfront.targets.latency.calibration import Calibration, Measured
from blockfront.targets.latency.calibration.calibration import build_micro_kernels, calibrate_core, measure, steps
from blockfront.targets.latency.meters.local import LocalMeter
from blockfront.targets.latency.profiler import emulator_obstacle, plan, profile_kernels
from blockfront.targets.latency.profiler.native import harness_version, plugin_version
from blockfront.targets.latency.rounds import Rounds
from blockfront.targets.latency.toolchains.tvm import TvmToolchain
from blockfront.validation.host import HostReport, judge
from blockfront.validation.operators import operator_of
from blockfront.validation.records import KernelRecord, Measurement, Profiles, keep_record, read_records
from blockfront.validation.subjects import RESOLUTION, Subject, find_subjects


@dataclass(frozen=True)
class Here:
    """This machine as `options` describe it, and the folder where records of it are kept."""

    options: RunOptions
    folder: Path
    _meter: LocalMeter = field(default_factory=LocalMeter)

    @property
    def _name(self) -> str:
        return f"{self.options.target.name}-{self.options.threads}"

    def _code(self, *more: str) -> str:
        figures = repr(replace(self.options.target, bandwidth_gbs=1.0, clock_ghz=1.0, launch_us=0.0, sources={}))
        return digest("\n".join([figures, str(self.options.threads), rules_version(), *more]))

    def _profiler(self) -> tuple[str, ...]:
        return plugin_version(self.options.target.architecture), harness_version(), getsource(plan)

    def calibrate(self, repeats: int, progress: Progress) -> Calibration:
        """A fit on micro-kernels, which are measured only if they were not before."""
        target, path = self.options.target, self.folder / f"micro-kernels-{self._name}.json"
        program = build_micro_kernels(target)
        measured = _read_measured(path)
        if measured is None or set(measured.kernels) != {kernel.name for kernel in program.kernels}:
            with progress.stage("micro", steps(target, repeats)) as advance:
                measured = measure(program, target, self._meter, self.options, repeats, advance)
            path.unlink(missing_ok=True)
            keep_record(path, measured)
        return calibrate_core(target, program, measured)

    def measured(self) -> dict[str, Measurement]:
        """What is measured already, by network."""
        return read_records(self.folder / f"measured-{self._name}.jsonl", Measurement, self._code())

    def profiled(self) -> dict[str, Profiles]:
        """What is profiled already, by network."""
        return read_records(self.folder / f"profiles-{self._name}.jsonl", Profiles, self._code(*self._profiler()))

    def measure(self, subjects: Sequence[Subject], batch: int, advance: Advance) -> None:
        """Measure what is not yet measured: a batch is compiled, then visited in an order shuffled anew each time."""
        known = self.measured()
        missing = [subject for subject in subjects if subject.network not in known]
        for first in range(0, len(missing), batch):
            compiled = [(subject, *self._compile(subject)) for subject in missing[first : first + batch]]
            self._visit(compiled, advance)

    def profile(self, subjects: Sequence[Subject], advance: Advance) -> None:
        """Profile what is not yet profiled."""
        known = self.profiled()
        for subject in subjects:
            if subject.network not in known:
                program, _ = self._compile(subject)
                kernels = profile_kernels(program, self.options.target)
                record = Profiles(subject.network, self._code(*self._profiler()), kernels)
                keep_record(self.folder / f"profiles-{self._name}.jsonl", record)
                advance()

    def _compile(self, subject: Subject) -> tuple[Program, int]:
        model = find_model(subject.network, ImageSize(RESOLUTION, RESOLUTION))
        try:
            ready = prepare(model, TvmToolchain(), self.options)
        except RunError as error:
            raise RunError(f"{subject.network}: {error}") from error
        return ready.prepared, ready.cost.macs

    def _visit(self, compiled: Sequence[tuple[Subject, Program, int]], advance: Advance) -> None:
        """Visit each; one that was disturbed is visited as often again, now that its neighbours are done."""
        rounds = Rounds(range(len(compiled)), seed=0)
        for i in rounds:
            rounds.keep(i, self._meter.visit(compiled[i][1], self.options))
        for (subject, program, macs), seen in zip(compiled, rounds.visits.values(), strict=True):
            record = self._record(subject, program, macs, seen)
            if record.disturbed:
                seen += tuple(self._meter.visit(program, self.options) for _ in seen)
                record = self._record(subject, program, macs, seen)
            keep_record(self.folder / f"measured-{self._name}.jsonl", record)
            advance()

    def _record(self, subject: Subject, program: Program, macs: int, visits: tuple[Visit, ...]) -> Measurement:
        latency = self._meter.finish(program, self.options, visits)
        ms = {kernel.name: kernel.ms / kernel.calls for kernel in latency.kernels}
        kernels = tuple(
            KernelRecord(kernel.symbol, operator_of(kernel), kernel.calls, kernel.macs, ms[kernel.name])
            for kernel in program.kernels
        )
        samples = tuple(visit.samples_ms for visit in visits)
        return Measurement(subject.network, subject.family, self._code(), macs, latency.device, samples, kernels)


def validate_here(
    n: int, threads: int, repeats: int, batch: int, folder: Path | None, progress: Progress
) -> HostReport:
    """Calibrate, measure and profile as far as that is not done, and judge.

    Raises `UsageError` where this machine cannot run or emulate AVX2.
    """
    processor = get_processor("host_avx2")
    options = RunOptions(processor, processor.check_threads(threads))
    obstacle = emulator_obstacle(options.target)
    if obstacle is not None:
        raise UsageError(obstacle)
    here = Here(options, folder or cache_folder() / "validation")
    subjects = find_subjects(n)
    calibration = here.calibrate(repeats, progress)
    missing = [subject for subject in subjects if subject.network not in here.measured()]
    with progress.stage("measure", len(missing)) as advance:
        here.measure(missing, batch, advance)
    missing = [subject for subject in subjects if subject.network not in here.profiled()]
    with progress.stage("profile", len(missing)) as advance:
        here.profile(missing, advance)
    wanted = {subject.network for subject in subjects}
    measured_networks = {name: record for name, record in here.measured().items() if name in wanted}
    return judge(options.target, threads, calibration, measured_networks, here.profiled())


def _read_measured(path: Path) -> Measured | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Measured)
    except (OSError, msgspec.MsgspecError):
        return None
