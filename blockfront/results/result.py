"""Everything that is known of one network on one target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from blockfront.results.cost import Cost
from blockfront.results.latency import Latency
from blockfront.results.postprocess import BoxCandidates, Postprocess
from blockfront.results.training import Score, Training


@dataclass(frozen=True)
class NetworkFacts:
    """Which network it is: its id and the text that builds it again, None of a model that has no text.

    `resolution` is None where the input is no square image. `adaptation` names what data decide after its training,
    `boxes` is how many anchors a detector has, and `answer` what a segmenter gives of an image, and of how many pixels.
    `parent` is the id of the detector that it is a part of, where a search left out some of its anchors.
    """

    id: str | None
    text: str | None
    family: str | None
    resolution: int | None
    adaptation: str | None = None
    boxes: int | None = None
    answer: str | None = None
    parent: str | None = None


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
    task: str | None = None


@dataclass(frozen=True)
class Adapted:
    """What an adaptation of a network found: its artefact as JSON, and what it changed.

    `before` are the scores of the network without it; `shares` are of the test images, by the names of their columns,
    and so are `changes`, which have intervals of their own.
    """

    artefact: dict[str, Any]
    before: dict[str, Score]
    shares: dict[str, float]
    changes: dict[str, Score] = field(default_factory=dict)


@dataclass(frozen=True)
class Stopped:
    """Why a training ended before its last epoch, in words, and the value that it might have reached at best."""

    reason: str
    optimistic: float | None


@dataclass(frozen=True)
class Result:
    """What is known of a network so far; what is not known yet is None or empty.

    `state` is complete, failed, rejected, stopped, running or waiting, `error` why it failed, and `rejected` which of
    its space's constraints it did not meet once it was profiled. `skeleton` is what it shares with a network of each
    other family, where networks were drawn in pairs. `trainings` are of the same network, one a training seed;
    `accuracy_from` is the study they were taken over from; `begun` is a first training that is not over, for good where
    it was `stopped`. `adaptations` are what data decided of it, by the
    adaptations' names, and `adapted` where what runs comes from: data, or assumptions. `candidates` are what a trained
    detector gave, and `postprocess` is what follows it on the target, which is no part of `latency`.
    """

    origin: Origin
    state: str
    trial: int | None = None
    error: str | None = None
    rejected: str | None = None
    traceback: str | None = None
    network: NetworkFacts | None = None
    skeleton: int | None = None
    cost: Cost | None = None
    latency: Latency | None = None
    adaptations: dict[str, Adapted] = field(default_factory=dict)
    adapted: dict[str, str] = field(default_factory=dict)
    trainings: tuple[Training, ...] = ()
    accuracy_from: str | None = None
    candidates: BoxCandidates | None = None
    postprocess: Postprocess | None = None
    begun: Training | None = None
    stopped: Stopped | None = None
