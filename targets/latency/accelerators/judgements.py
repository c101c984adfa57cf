"""How far simulated latencies were from published ones of a device that a model is like, kept as data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from blockfront.plurals import counted
from blockfront.results.latency import Prediction

JUDGEMENTS = Path(__file__).with_name("judgements.json")
"""Written by benchmarks/judgements.py."""


class Judgement(msgspec.Struct, frozen=True):
    """A model of an accelerator against a device's published latencies.

    `model` is the hash that a `Prediction` has. `networks` are the published milliseconds and the simulated ones of
    each. Errors are of |simulated / published - 1|; `low_ratio` and `high_ratio` are the least and the largest of
    simulated / published, `geomean_ratio` their geometric mean. `others`: on how many other latencies of the device the
    model was fitted, 0 where nothing was.
    """

    target: str
    model: str
    device: str
    networks: dict[str, tuple[float, float]]
    median_error: float
    p90_error: float
    within_tenth: float
    geomean_ratio: float
    low_ratio: float
    high_ratio: float
    spearman: float | None
    others: int = 0

    def __str__(self) -> str:
        rank = "" if self.spearman is None else f", Spearman {self.spearman:.2f}"
        fitted = f" but {self.others} others" if self.others else ""
        return (
            f"{counted(len(self.networks), 'network')} published for {self.device}, of which nothing was "
            f"fitted{fitted}: "
            f"simulated / published {self.geomean_ratio:.2f}, from {self.low_ratio:.2f} to {self.high_ratio:.2f}{rank}"
        )


def find_judgement(target: str, model: str) -> Judgement | None:
    """What is known of a model as it is now; None where it was not judged, or was another then."""
    found = msgspec.json.decode(JUDGEMENTS.read_bytes(), type=list[Judgement])
    return next((one for one in found if (one.target, one.model) == (target, model)), None)


def judged_prediction(target: str, model: str, basis: str) -> Prediction:
    """What stands with a latency by a model, which is `basis`: how far it was from a device, if it was judged."""
    found = find_judgement(target, model)
    if found is None:
        return Prediction(model, f"{basis}, never compared with a device")
    errors = found.median_error, found.p90_error, len(found.networks), found.within_tenth
    return Prediction(model, f"{found}; {basis}", *errors)


def write_judgements(judgements: Sequence[Judgement], path: Path = JUDGEMENTS) -> None:
    """Keep them for every row that comes after."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(judgements), indent=1) + b"\n")
