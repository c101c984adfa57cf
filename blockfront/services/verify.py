"""Whether the code a board runs computes what torch does: networks compiled, run there, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.cores import usable_cores
from blockfront.design_space.image_size import OWN_SIZE, ImageSize
from blockfront.design_space.models import find_model
from blockfront.errors import UsageError
from blockfront.python_file import import_file, is_file_reference

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.targets import RunOptions
    from blockfront.targets.latency.emulation import EmulatedBoard

_LIMIT_S = 20 * 60
_SESSION_S = 600


@dataclass(frozen=True)
class NetworkToVerify:
    """A network to verify: what `bench profile` would take for it, and the file that defines its blocks, if one does.

    Its id and family are empty for a model that is none of ours.
    """

    ref: str
    network_id: str = ""
    family: str = ""
    size: ImageSize = OWN_SIZE
    file: Path | None = None


def networks_to_verify(what: str, storage: str, size: ImageSize, space: str | None) -> list[NetworkToVerify]:
    """All networks of a study, failed ones included, or the one network that `what` means as in `bench tune`.

    `space` names the file whose blocks the networks are made of. Raises UsageError for what is none of these, with
    near names.
    """
    from blockfront.design_space import Network
    from blockfront.study.lookup import find_models, known_studies

    file = import_blocks(space)
    if what in known_studies(storage):
        if size != OWN_SIZE:
            raise UsageError("an input's size is for a single model: the networks of a study have their own")
        return [NetworkToVerify(*row, file=file) for row in _networks(what, storage)]
    (model,) = find_models(what, storage, size)
    if model.network is None:
        return [NetworkToVerify(model.name, size=size, file=file)]
    network = Network.parse(model.network)
    return [NetworkToVerify(model.name, network.id, network.family, file=file)]


def precision_of(what: str, storage: str) -> str:
    """The number format of a study of that name; float32 of anything else."""
    from blockfront.study.lookup import known_studies
    from blockfront.study.storage import list_studies

    if what not in known_studies(storage):
        return "float32"
    return next(str(study["precision"]) for study in list_studies(storage) if study["study"] == what)


def options_for(
    target: str, tracker: str | None, threads: int | None, tuned: bool, database: Path | None, precision: str
) -> RunOptions:
    """How networks are compiled for a target, and where its devices are.

    Raises UsageError for hardware that nothing is compiled for in `precision`, and for a tracker that has no device
    that fits.
    """
    from blockfront.board.sockets import tracker_address
    from blockfront.targets import Asked, get_target
    from blockfront.targets.latency.meters.board import BoardMeter
    from blockfront.targets.latency.toolchains.tvm import TvmToolchain
    from blockfront.targets.tuning.database import find_traces

    traces = find_traces(tuned, database)
    options = TvmToolchain().options_for(Asked(get_target(target), threads, precision, tracker, traces=traces))
    if tracker_address(tracker):
        BoardMeter().check(options)
    return options


def verify(subjects: Sequence[NetworkToVerify], options: RunOptions, progress: Progress) -> list[dict[str, Any]]:
    """A row for each network, in order, with the verdict `agrees`, `differs` or `failed`.

    Networks are compiled here, several at a time, and run on the devices of the options' tracker; without one, on
    boards in software that end with this call. Raises UsageError for a target that cannot be emulated, and RunError
    when boards in software cannot be made or stop.
    """
    from blockfront.sweep.cluster import embedded_cluster
    from blockfront.sweep.pool import Pool, WorkerCall

    rows: dict[int, dict[str, Any]] = {}
    with _devices(options, len(subjects), progress) as devices:
        threads = max(1, usable_cores() // devices.count)
        with embedded_cluster(devices.count, threads, tvm_threads=threads) as client:
            devices.await_start()
            tasks = [WorkerCall(i, verify_network, (subject, devices.options)) for i, subject in enumerate(subjects)]
            outcomes = Pool(client, devices.count).run(tasks, _LIMIT_S)
            with closing(outcomes), progress.stage("verify", len(subjects)) as advance:
                for outcome in outcomes:
                    if outcome.reason is None:
                        found = outcome.result()
                    else:
                        devices.check()
                        found = {"verdict": "failed", "error": outcome.reason}
                    rows[outcome.number] = _row(subjects[outcome.number], **found)
                    advance()
    return [rows[i] for i in range(len(subjects))]


def verify_network(subject: NetworkToVerify, options: RunOptions) -> dict[str, Any]:
    """Compile a network, run the very code on a device, and compare its outputs with torch's; a worker's task."""
    from blockfront.agreement.outputs import disagreement, worst
    from blockfront.services.profile import prepare
    from blockfront.targets import TOOLCHAINS
    from blockfront.targets.latency.meters.board import BoardMeter
    from blockfront.targets.latency.meters.measure import run_program

    if subject.file is not None:
        import_file(subject.file)
    model = find_model(subject.ref, subject.size)
    program = prepare(model, TOOLCHAINS[options.toolchain], options).prepared
    with BoardMeter().session(options) as session:
        _, errors = run_program(program, session)
    absolute, relative, own = worst(errors)
    wrong = disagreement(errors, "on the device")
    return {
        "verdict": "differs" if wrong else "agrees",
        "error": wrong,
        "max_abs_error": absolute,
        "max_rel_error": relative,
        "torch_rel_error": own,
        "device": session.name,
        "emulated": session.emulated,
    }


def _row(
    subject: NetworkToVerify,
    verdict: str,
    max_abs_error: float | None = None,
    max_rel_error: float | None = None,
    torch_rel_error: float | None = None,
    device: str | None = None,
    emulated: bool | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    return {
        "network_id": subject.network_id or None,
        "network": subject.ref,
        "family": subject.family or None,
        "verdict": verdict,
        "max_abs_error": max_abs_error,
        "max_rel_error": max_rel_error,
        "torch_rel_error": torch_rel_error,
        "device": device,
        "emulated": emulated,
        "error": error,
    }


def import_blocks(space: str | None) -> Path | None:
    """The file of a space of the user's own, imported, so that its blocks are known; None for one of ours.

    Raises UsageError for what names no file, and for a file that does not import.
    """
    if space is None:
        return None
    if not is_file_reference(space):
        raise UsageError(f"--space {space!r}: name the file that defines the networks' blocks, as file.py:space")
    file = Path(space.rpartition(":")[0]).resolve()
    import_file(file)
    return file


def _networks(study: str, storage: str) -> list[tuple[str, str, str]]:
    """Text, id and family of each network of a study, once."""
    from blockfront.study.storage import load

    rows = load(study, storage)
    rows = rows[rows["network"].notna()]
    found = dict.fromkeys(
        (str(text), str(network_id), str(family))
        for text, network_id, family in zip(rows["network"], rows["network_id"], rows["family"], strict=True)
    )
    if not found:
        raise UsageError(f"study {study!r} has no network yet; draw some with bench sample")
    return list(found)


@dataclass(frozen=True)
class _Devices:
    """Where networks run: options that reach `count` devices, and the boards among them that are ours."""

    options: RunOptions
    count: int
    boards: Sequence[EmulatedBoard] = ()

    def await_start(self) -> None:
        """Wait until the tracker knows our boards."""
        for board in self.boards:
            board.await_registration()

    def check(self) -> None:
        """Raise RunError when one of our boards has stopped."""
        for board in self.boards:
            board.check()


@contextmanager
def _devices(options: RunOptions, networks: int, progress: Progress) -> Iterator[_Devices]:
    """The tracker's devices, or as many boards in software as there are cores and networks for."""
    from blockfront.board.sockets import format_address, tracker_address
    from blockfront.targets.latency.emulation import emulated_boards, own_tracker, prepare_emulation
    from blockfront.targets.latency.meters.board import BoardMeter

    count = min(networks, usable_cores())
    options = replace(options, timeout_s=_SESSION_S)
    if tracker_address(options.tracker):
        yield _Devices(options, max(1, min(count, BoardMeter().devices(options))))
        return
    emulation = prepare_emulation(options.target)
    progress.note(f"emulating {options.target.name}: {emulation.title}")
    tracker = own_tracker()
    with emulated_boards(emulation, tracker, devices=count) as boards:
        yield _Devices(replace(options, tracker=format_address(tracker)), count, boards)
