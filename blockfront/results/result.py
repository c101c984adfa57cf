"""Everything that is known of one network on one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blockfront.results.cost import Cost
from blockfront.results.latency import Latency
from blockfront.results.training import Training


@dataclass(frozen=True)
class NetworkFacts:
    """Which network it is: its id and the text that builds it again, None of a model that has no text.

    `resolution` is None where the input is no square image.
    """

    id: str | None
    text: str | None
    family: str | None
    resolution: int | None
    learns_counts: bool = False


@dataclass(frozen=True)
class Origin:
    """What all results of a study share. `threads` is None where the hardware has none to choose."""

    study: str | None
    target: str
    runner: str
    toolchain: str
    threads: int | None
    dataset: str | None
    seed: int | None


@dataclass(frozen=True)
class Result:
    """What is known of a network so far; what is not known yet is None or empty.

    `state` is complete, failed, running or waiting, and `error` why it failed. `trainings` are of the same network, one
    a training seed; `accuracy_from` is the study they were taken over from. `tokens` is what a learned token reduction
    found, `token_counts` how it got its counts.
    """

    origin: Origin
    state: str
    trial: int | None = None
    error: str | None = None
    traceback: str | None = None
    network: NetworkFacts | None = None
    cost: Cost | None = None
    latency: Latency | None = None
    tokens: dict[str, Any] | None = None
    token_counts: str | None = None
    trainings: tuple[Training, ...] = ()
    accuracy_from: str | None = None
