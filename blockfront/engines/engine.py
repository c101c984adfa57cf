"""What every engine offers: it runs files of its own, and most write a torch module as such."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from blockfront.errors import UsageError
from blockfront.registry import Registry
from blockfront.signature import Signature

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

Inference = Callable[[], "list[np.ndarray]"]
"""One inference from inputs that lie ready; gives the outputs in the order in which the module does."""


class Runtime(ABC):
    """A runtime of somebody else's, set up for the latency of single inferences as its documentation says.

    `packages` are what it takes here, the runtime first, and `extra` is this suite's extra that has them. `start` runs
    in a process of its own, in which neither torch nor TVM is imported: nothing of theirs shares the engine's cores.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    extra: ClassVar[str] = "peers"

    @abstractmethod
    def start(self, folder: Path, inputs: Sequence[np.ndarray], threads: int) -> Inference:
        """The network in a folder, on so many threads."""

    def versions(self) -> Mapping[str, str]:
        """Its packages to their versions; raises `UsageError` where one is not installed."""
        return require_packages(self.name, self.packages, self.extra)


class Engine(Runtime):
    """A runtime with a converter for modules in float32."""

    @abstractmethod
    def write(self, module: nn.Module, signature: Signature, folder: Path) -> None:
        """The module as files that `start` reads; raises `RunError` for one that the engine's converter refuses."""


def require_packages(what: str, packages: Sequence[str], extra: str) -> dict[str, str]:
    """Packages to their versions; raises `UsageError` for the one that `what` lacks, with the extra that has it."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            raise UsageError(f"{what} needs the package {package}: pip install 'blockfront[{extra}]'") from None
    return found


ENGINES: Registry[Runtime] = Registry("engine")
"""Each is a toolchain of the same name."""
