"""A study's networks as files, for a tool that this suite does not know."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from blockfront.errors import RunError, UsageError, first_line
from blockfront.files import explaining, write_atomically
from blockfront.services.latency_sheet import write_sheet

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.results import Result
    from blockfront.sweep.stages import Job

MANIFEST, SHEET = "manifest.json", "latencies.csv"


@dataclass(frozen=True)
class HandedOut:
    """A network's file in the folder, and how far ONNX Runtime's output of it was from torch's."""

    id: str
    network: str
    file: str
    bytes: int
    max_rel_error: float


@dataclass(frozen=True)
class Manifest:
    """What is in a folder: networks of a study, and why others of it are not, by id.

    The files are in float32, whatever number format, `precision`, the study's latencies are of.
    """

    study: str
    bench: str
    seed: int
    networks: tuple[HandedOut, ...]
    left_out: dict[str, str]
    precision: str = "float32"


def hand_out(study: str, storage: str, folder: Path, progress: Progress) -> Manifest:
    """Write every complete network of a study as ONNX, with the weights that the study's seed draws, into `folder`.

    Each is compared with torch in ONNX Runtime. Raises UsageError for a folder that holds something already and where
    the extra `peers` is missing, RunError where no network can be written.
    """
    from blockfront.engines import ENGINES

    ENGINES["onnxruntime"].versions()
    precision, jobs = _jobs(study, storage)
    if not jobs:
        raise UsageError(f"study {study!r} has no complete network")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already; name a folder that is new or empty")
    networks: list[HandedOut] = []
    left_out: dict[str, str] = {}
    with explaining(folder), progress.stage("write", len(jobs)) as advance:
        for job in jobs:
            try:
                networks.append(_write(job, folder))
            except RunError as error:
                left_out[job.network_id] = str(error)
            advance()
        if not networks:
            raise RunError(f"no network could be written; the first because {next(iter(left_out.values()))}")
        manifest = Manifest(study, version("blockfront"), jobs[0].seed, tuple(networks), left_out, precision)
        write_atomically(folder / SHEET, write_sheet([(one.id, one.file) for one in networks]))
        write_atomically(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def _jobs(study: str, storage: str) -> tuple[str, list[Job]]:
    """The number format of a study's latencies, and its complete networks."""
    from blockfront.results.trial import read_result
    from blockfront.study.settings import origin_of, read_settings
    from blockfront.study.storage import open_study, opened
    from blockfront.study.trials import network_trials, warn_of_foreign

    with opened(storage) as opened_storage:
        found = open_study(opened_storage, study)
        settings = read_settings(found)
        warn_of_foreign(found)
        results = [read_result(origin_of(study, settings), trial) for trial in network_trials(found)]
    complete = [_job(result, settings.seed) for result in results if result.state == "complete"]
    return settings.precision, complete


def _job(result: Result, seed: int) -> Job:
    from blockfront.sweep.stages import Job

    network = result.network
    assert network is not None
    adapted = result.adaptations.get(network.adaptation or "")
    artefact = None if adapted is None else adapted.artefact
    return Job(str(network.id), str(network.text), seed, threads=1, artefact=artefact)


def _write(job: Job, folder: Path) -> HandedOut:
    """The network's files and what is known of them. Raises RunError for one that cannot be written or runs otherwise.

    One file is named for the network; more, where weights are too large for it, have a folder so named.
    """
    from blockfront.agreement.outputs import compare_all, disagreement, worst
    from blockfront.engines import ENGINES
    from blockfront.sweep.stages import deployed
    from blockfront.targets import TOOLCHAINS
    from blockfront.training import seeded

    own = folder / job.network_id
    with seeded(job.seed, job.threads):
        network, module, _ = deployed(job)
        made = TOOLCHAINS["onnxruntime"].prepare(module, network.signature, None, job.seed)
    own.mkdir(parents=True)
    for name, content in made.files.items():
        (own / name).write_bytes(content)
    try:
        computed = ENGINES["onnxruntime"].start(own, made.inputs, job.threads)()
        errors = compare_all(made.outputs, computed)
    except Exception as error:  # What ONNX Runtime raises shares no class.
        raise RunError(f"ONNX Runtime does not run it: {first_line(error)[:300]}") from error
    wrong = disagreement(errors, "of ONNX Runtime")
    if wrong is not None:
        raise RunError(wrong)
    path = own / "model.onnx"
    if len(made.files) == 1:
        path = path.rename(folder / f"{job.network_id}.onnx")
        own.rmdir()
    size = sum(map(len, made.files.values()))
    return HandedOut(job.network_id, job.network, path.relative_to(folder).as_posix(), size, worst(errors)[1])
