"""Who gives a latency: a toolchain and a meter, chosen by what they accept and what somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from blockfront.errors import UsageError
from blockfront.results.latency import Latency, Prediction
from blockfront.signature import Signature
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.latency.meter import METERS, Meter, Predicts, Reservation
from blockfront.targets.latency.meters.measure import Measures
from blockfront.targets.latency.options import Asked
from blockfront.targets.latency.toolchain import TOOLCHAINS, Toolchain

AUTO = "auto"
"""What is asked for by those who leave the choice to us."""


@dataclass(frozen=True)
class Means:
    """A toolchain and a meter with their options, ready to be sent to a worker.

    `notice` is a line the user should see, such as that no board is attached.
    """

    toolchain: Toolchain[Any, Any]
    meter: Meter[Any, Any]
    options: Any
    notice: str | None = None

    @property
    def measures(self) -> Measures | None:
        """The meter where it occupies a device, which must be visited; None for one that answers at once."""
        return self.meter if isinstance(self.meter, Measures) else None

    @property
    def is_usual_toolchain(self) -> bool:
        """Whether the hardware has this toolchain unless somebody asks for another."""
        return self.toolchain.name == next(iter(_fitting(self.options.target)), None)

    @property
    def prediction(self) -> Prediction | None:
        """What is known of the model behind its latencies; None where there is none."""
        return self.meter.prediction(self.options) if isinstance(self.meter, Predicts) else None

    def prepare(self, module: nn.Module, signature: Signature, seed: int) -> Any:
        """A module made ready: see `Toolchain.prepare`."""
        return self.toolchain.prepare(module, signature, self.options, seed)

    def latency(self, prepared: Any) -> Latency:
        """Of one visit, or the prediction."""
        return self.meter.latency(prepared, self.options)


def choose(asked: Asked, toolchain: str = AUTO, runner: str = AUTO) -> Means:
    """The means that serve what is asked for.

    By default the toolchain is the first that accepts the hardware, and the meter the first that takes what it makes
    and has no reservation: this machine, a board where a tracker is named, a prediction from a model of the core, the
    roofline; for an accelerator its simulation. A meter that has no use for an option that is given is passed over.
    Raises `UsageError` for unknown names, for a pair that does not fit or cannot work now, such as a tracker that does
    not answer, and for options that neither has a use for.
    """
    chosen = _toolchain(asked, toolchain)
    if not 0 <= asked.cooldown_s < float("inf"):
        raise UsageError(f"--cooldown must be 0 or more, not {asked.cooldown_s:g}")
    meters = {name: meter for name, meter in METERS.items() if meter.accepts(chosen, asked.hardware)}
    if runner != AUTO and METERS[runner].name not in meters:
        raise UsageError(f"runner {runner} does not serve {asked.hardware.name}; {_those(meters)}")
    if runner != AUTO:
        meters = {runner: meters[runner]}
    for option in asked.given:
        if option in chosen.options:
            continue
        meters = {name: meter for name, meter in meters.items() if option in meter.options}
        if not meters:
            who = f"nothing for {asked.hardware.name} has a" if runner == AUTO else f"runner {runner} has no"
            raise UsageError(f"{who} use for --{option}; leave --{option} out")
    options = chosen.options_for(asked)
    meter, notice = (meters[runner], None) if runner != AUTO else _automatic(meters, asked.hardware, options)
    meter.check(options)
    return Means(chosen, meter, options, notice)


def _toolchain(asked: Asked, name: str) -> Toolchain[Any, Any]:
    fitting = _fitting(asked.hardware)
    if name == AUTO and not fitting:
        raise UsageError(f"no toolchain prepares networks for {asked.hardware.name}")
    chosen = next(iter(fitting.values())) if name == AUTO else TOOLCHAINS[name]
    if chosen.name not in fitting:
        raise UsageError(f"toolchain {name} does not prepare networks for {asked.hardware.name}; {_those(fitting)}")
    return chosen


def _fitting(hardware: Hardware) -> dict[str, Toolchain[Any, Any]]:
    return {name: one for name, one in TOOLCHAINS.items() if one.accepts(hardware)}


def _those(fitting: Mapping[str, object]) -> str:
    return f"those that do: {', '.join(fitting) or 'none'}"


def _automatic(
    meters: Mapping[str, Meter[Any, Any]], hardware: Hardware, options: Any
) -> tuple[Meter[Any, Any], str | None]:
    reservations: list[Reservation] = []
    for meter in meters.values():
        found = meter.reservation(options)
        if found is None:
            return meter, _notice(meter, hardware, options, reservations) if isinstance(meter, Predicts) else None
        reservations.append(found)
    reasons = "; ".join(": ".join(filter(None, (one.why, one.remedy))) for one in reservations)
    raise UsageError(f"{hardware.name} gets no latency unasked: {reasons or 'no runner serves it'}")


def _notice(meter: Predicts[Any, Any], hardware: Hardware, options: Any, reservations: list[Reservation]) -> str:
    """That nothing was measured, what would have been better, and how to get there."""
    before = "".join(f"{one.why}: " for one in reservations if one.remedy)
    because = "".join(f", because {one.why}" for one in reservations if not one.remedy)
    after = "".join(f" To measure, {one.remedy}." for one in reservations if one.remedy)
    line = f"{before}latencies for {hardware.name} are {meter.source} {meter.how(options)}{because}.{after}"
    return line[0].upper() + line[1:]
