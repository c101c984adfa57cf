"""What every runner offers, and which one serves a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from torch import nn

from blockfront.board.sockets import tracker_address
from blockfront.errors import RunError, UsageError
from blockfront.registry import Registry
from blockfront.results.latency import Latency, LatencySource, Prediction, Visit
from blockfront.signature import Signature
from blockfront.targets.compiler.compiling import compile_model
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.target import Target

if TYPE_CHECKING:
    from blockfront.targets.latency.calibration import Calibration


@dataclass(frozen=True)
class RunOptions:
    """How to run: on which target, and for how long each visit measures.

    A visit lets the device rest for `cooldown_s`, warms up, then repeats for at least `seconds` and at least `repeats`
    samples; a sample is the mean over as many inferences as take `sample_ms`. A device is waited for `wait_s`, and may
    take `timeout_s` for all it is asked in a session, rest excluded. `tuned`: traces of `bench tune` by the symbol of
    the kernel they are for; None for networks whose schedules are all by rule. `calibration`: what `bench calibrate`
    found on a device of the target, for predictions; None for the model that the suite brings.
    """

    target: Target
    threads: int
    tracker: str | None = None
    seconds: float = 0.3
    repeats: int = 10
    sample_ms: float = 5.0
    cooldown_s: float = 0.0
    timeout_s: float = 120.0
    wait_s: float = 300.0
    tuned: Mapping[str, str] | None = None
    calibration: Calibration | None = None


_Prepared = TypeVar("_Prepared")
"""What a network is made into before it gets a latency: a program, or the layers of a simulation."""

_Options = TypeVar("_Options", contravariant=True)


class Runner(Protocol[_Prepared, _Options]):
    """A way to obtain a latency, for what it prepares a network into.

    `exclusive` runners occupy a device: nothing else may run there meanwhile, and their samples are taken in
    several visits so that networks can be interleaved. The others answer from the program alone. `here` tells that
    the device is this machine, which must be quiet then.
    """

    name: str
    title: str
    source: LatencySource
    predictor: str | None
    exclusive: bool
    here: bool

    def check(self, options: _Options) -> None:
        """Raise `UsageError` with what to do when this runner cannot serve `options`."""

    def prediction(self, options: _Options) -> Prediction | None:
        """What is known of the model behind a prediction, and of its error; None where there is nothing to know."""

    def devices(self, options: _Options) -> int:
        """How many devices can be visited at the same time; 1 for a runner that is not exclusive."""

    def prepare(self, module: nn.Module, signature: Signature, options: _Options, seed: int) -> _Prepared:
        """A module in evaluation mode, for inputs of `signature`, made ready for this runner."""

    def visit(self, program: _Prepared, options: _Options) -> Visit:
        """Samples of one visit; none for a runner that is not exclusive."""

    def finish(self, program: _Prepared, options: _Options, visits: tuple[Visit, ...]) -> Latency:
        """The latency that the samples of all visits give, with the kernels' shares."""

    def run(self, program: _Prepared, options: _Options) -> Latency:
        """One visit and its result."""


RUNNERS: Registry[Runner[Any, Any]] = Registry("runner")


class ProgramRunner:
    """What runners of compiled programs share."""

    def prepare(self, module: nn.Module, signature: Signature, options: RunOptions, seed: int) -> Program:
        """The module compiled for the target and compared with torch, on the inputs that `seed` draws."""
        return compile_model(module, signature, options.target, threads=options.threads, seed=seed, tuned=options.tuned)


def choose_runner(
    name: str, target: Target, tracker: str | None = None, calibration: Calibration | None = None
) -> tuple[str, str | None]:
    """The runner to use, and the line to show the user when the choice needs words.

    "auto" is local for the host, RPC when a tracker is configured, emulated where there is a QEMU, which may be
    fetched, and a model of the core, else roofline. Raises `UsageError` for an unknown name, for a runner that cannot
    serve the target, and for a GPU that is not attached.
    """
    address = tracker_address(tracker)
    if name != "auto":
        if RUNNERS[name].name == "local" and not target.is_host:
            raise UsageError(f"runner local measures on this machine; {target.name} needs rpc, emulated or roofline")
        if name == "rpc" and address is None:
            raise UsageError("runner rpc needs a tracker: --tracker HOST:PORT or TVM_TRACKER_HOST and _PORT")
        return name, None
    if target.is_host:
        return "local", None
    if address:
        return "rpc", None
    if target.is_gpu:
        raise UsageError(
            f"no GPU attached: {target.name} has code, and no latency; attach its board and pass --tracker HOST:PORT, "
            "or --runner roofline for a bound that the catalogue's figures give"
        )
    emulated, options = RUNNERS["emulated"], RunOptions(target=target, threads=target.cores, calibration=calibration)
    try:
        emulated.check(options)
        chosen, how = emulated.name, f"from its code under emulation, not measured ({emulated.prediction(options)})"
    except (UsageError, RunError) as error:
        chosen, how = "roofline", f"by the roofline model, not measured, because {error}"
    return chosen, (
        f"No board attached: latencies for {target.name} are predicted {how}. "
        f"To measure, run bench board tracker here and bench board serve --key {target.tracker_key} on the board, "
        "and pass --tracker HOST:PORT."
    )
