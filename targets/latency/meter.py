"""What every meter offers: it finds the time of a network that a toolchain made ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

from blockfront.registry import Registry
from blockfront.results.latency import Latency, LatencySource, Prediction
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.latency.toolchain import Chosen, Prepared, Toolchain


@dataclass(frozen=True)
class Reservation:
    """Why a meter is not taken unasked, and what somebody can do about it, as the end of a sentence."""

    why: str
    remedy: str = ""


class Meter(ABC, Generic[Prepared, Chosen]):
    """Finds the time of prepared networks: it measures (`Measures`) or predicts (`Predicts`).

    `options` are those of the command line that it has a use for, beside the ones that everything has.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[LatencySource]
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def accepts(self, toolchain: Toolchain[Any, Any], hardware: Hardware) -> bool:
        """Whether it can ever serve what the toolchain makes for that hardware."""

    def check(self, options: Chosen) -> None:
        """Raise `UsageError` or `RunError` with what to do when it cannot serve these options now."""

    def reservation(self, options: Chosen) -> Reservation | None:
        """Why it should not be taken for these options by those who ask for none; None when it should."""
        return None

    @abstractmethod
    def standing(self, options: Chosen) -> str:
        """How it stands with it here, found out without a download; raises `UsageError` or `RunError` for a fault."""

    @abstractmethod
    def latency(self, prepared: Prepared, options: Chosen) -> Latency:
        """The latency: of one visit, or the prediction."""


class Predicts(Meter[Prepared, Chosen]):
    """Answers from what was prepared alone, in no time of a device."""

    source: ClassVar[LatencySource] = "predicted"
    predictor: ClassVar[str]

    @abstractmethod
    def prediction(self, options: Chosen) -> Prediction | None:
        """What is known of the model behind a prediction, and of its error; None where there is nothing to know."""

    @abstractmethod
    def how(self, options: Chosen) -> str:
        """How it finds a latency, as the end of a sentence: "from …"."""

    @abstractmethod
    def predict(self, prepared: Prepared, options: Chosen) -> Latency:
        """The latency; raises `RunError` for a network that it cannot predict."""

    def standing(self, options: Chosen) -> str:
        """How it would find one."""
        return self.how(options)

    def latency(self, prepared: Prepared, options: Chosen) -> Latency:
        """The prediction."""
        return self.predict(prepared, options)


METERS: Registry[Meter[Any, Any]] = Registry("runner")
"""By their names on the command line, in the order in which they are asked whether they should be taken."""
