"""What every toolchain offers: it makes a network ready for some hardware."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from torch import nn

from blockfront.errors import UsageError
from blockfront.registry import Registry
from blockfront.results.latency import KernelTime
from blockfront.signature import Signature
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.latency.options import Asked

if TYPE_CHECKING:
    from blockfront.targets.latency.meters.measure import Session

Prepared = TypeVar("Prepared")
"""What a network is made into: a program, or the layers of a simulation."""

Chosen = TypeVar("Chosen")
"""The options that a toolchain makes of what was asked."""


class Toolchain(ABC, Generic[Prepared, Chosen]):
    """Makes networks ready, so that a meter can find their time.

    `makes` is the type of what it prepares, by which meters know whether they can take it. `precisions` are the number
    formats it prepares networks in, the first where none is asked for. `options` are those of the command line that it
    has a use for, beside the ones that everything has.
    """

    name: str
    title: str
    makes: ClassVar[type]
    precisions: ClassVar[tuple[str, ...]]
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def accepts(self, hardware: Hardware) -> bool:
        """Whether it prepares networks for that hardware."""

    def precision(self, asked: Asked) -> str:
        """The number format that is asked for, its first where none is; raises `UsageError` for one it has not."""
        if asked.precision is not None and asked.precision not in self.precisions:
            offered = ", ".join(self.precisions)
            raise UsageError(f"toolchain {self.name} prepares networks in {offered}, not in {asked.precision}")
        return asked.precision or self.precisions[0]

    @abstractmethod
    def choose(self, asked: Asked, precision: str) -> Chosen:
        """Its options for hardware that it accepts and one of its number formats; raises `UsageError`.

        `options_for` settles the format, which may not be asked for, and is what to call.
        """

    def options_for(self, asked: Asked) -> Chosen:
        """What `choose` makes of it with its number format settled; raises `UsageError` as both do."""
        return self.choose(asked, self.precision(asked))

    @abstractmethod
    def prepare(self, module: nn.Module, signature: Signature, options: Chosen, seed: int) -> Prepared:
        """A module in evaluation mode, for inputs as its signature has them, made ready; raises `RunError`."""

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """What can change its results, packages to versions; raises `UsageError` with what to install."""


def packages(toolchain: Toolchain[Any, Any]) -> str:
    """Its versions in one line; raises `UsageError` as they do."""
    return ", ".join(f"{name} {version}" for name, version in toolchain.versions().items())


class Loaded(Protocol):
    """A prepared network on a device in our hands, whose output there was compared with torch's.

    `torch_rel_error` is that of torch's own float32 output, None where it is not known.
    """

    max_abs_error: float
    max_rel_error: float
    torch_rel_error: float | None

    def milliseconds(self, number: int, repeat: int) -> list[float]:
        """The mean of `number` inferences one after the other, `repeat` times."""

    def kernels(self) -> tuple[KernelTime, ...]:
        """What its parts take one by one, the longest first; nothing where it has none that could be told apart."""


class Runnable(Protocol):
    """What is to be known of a prepared network that is run; None where its toolchain has nothing to say."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Packages to versions."""

    @property
    def unscheduled_kernels(self) -> tuple[str, ...] | None:
        """Names of kernels whose time says nothing about the network."""

    @property
    def tuned_kernels(self) -> tuple[str, ...] | None:
        """Names of kernels whose schedule was searched for."""

    @property
    def peak_memory_bytes(self) -> int | None:
        """Of activations."""


class Runs(Toolchain[Prepared, Chosen]):
    """A toolchain whose networks run on a device, where they can be timed."""

    @abstractmethod
    def load(self, prepared: Prepared, session: Session, threads: int) -> Loaded:
        """A network on a session's device; raises `RunError` where its output is not torch's."""


TOOLCHAINS: Registry[Toolchain[Any, Any]] = Registry("toolchain")
"""In the order in which they are asked whether they accept some hardware."""
