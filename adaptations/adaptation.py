"""What an adaptation is: a change of a trained network that data decide, kept as an artefact."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from torch import nn

from blockfront.registry import Registry

if TYPE_CHECKING:
    from blockfront.training import Feed

Artefact = TypeVar("Artefact")
"""What an adaptation finds: a frozen dataclass that is JSON through msgspec, both ways."""


class Adaptation(ABC, Generic[Artefact]):
    """One adaptation; an entry of `ADAPTATIONS` is an instance. Its network is fitted before anything is compiled.

    Results keep the artefact, of the type `artefact`, under the adaptation's `name`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    artefact: type[Artefact]

    def trained(self, module: nn.Module) -> nn.Module:
        """The part of a network that training trains: by default all of it."""
        return module

    @abstractmethod
    def fit(self, module: nn.Module, feed: Feed) -> Artefact:
        """What the training images decide of a trained network, which may change meanwhile; raises `RunError`."""

    @abstractmethod
    def adapt(self, module: nn.Module, artefact: Artefact | None) -> nn.Module:
        """The network as the artefact has it, weights shared; None for what is assumed where no data were seen."""

    @abstractmethod
    def origin(self, artefact: Artefact | None) -> str:
        """Where it comes from, in words; "assumed" for None."""

    def compare(self, module: nn.Module, adapted: nn.Module, feed: Feed) -> dict[str, float]:
        """Shares of the test images that have columns of their own, by the columns' names: by default none."""
        return {}


ADAPTATIONS: Registry[Adaptation] = Registry("adaptation")
