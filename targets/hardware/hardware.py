"""Hardware: what every kind of it answers about itself, and the registry of all that is known."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from blockfront.errors import UsageError
from blockfront.python_file import is_file_reference, load_object
from blockfront.registry import Registry

if TYPE_CHECKING:
    from blockfront.targets.hardware.machine import Machine

NOT_GIVEN = "not given"
"""The source of a figure that `sources` does not name."""


@dataclass(frozen=True)
class Hardware(ABC):
    """Something that networks run on. Nobody but a kind itself asks which of the kinds it is.

    `local`: it is in this machine, whose own code runs on it. `sources` says where each figure is from, several figures
    separated by commas; one marked "unverified" there was not found in a text. Raises `UsageError` when it is made with
    a name that is none, or with a figure that must be positive and is not.
    """

    name: str
    title: str
    local: bool = field(default=False, kw_only=True)
    sources: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    described: ClassVar[str]
    """What a call is told that needs hardware of another kind: "a GPU, …"."""
    positive: ClassVar[tuple[str, ...]] = ()
    """The figures that must be above zero."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UsageError(f"target name {self.name!r}: use lower-case letters, digits and underscores")
        for name in self.positive:
            if not getattr(self, name) > 0:
                raise UsageError(f"target {self.name}: {name} must be positive, not {getattr(self, name)!r}")

    @abstractmethod
    def check_threads(self, threads: int | None) -> int | None:
        """How many threads a network has where `threads` were asked for; None where there are none to choose.

        Raises `UsageError` for a number that it cannot have.
        """

    @abstractmethod
    def peak(self, threads: int | None) -> tuple[float, float]:
        """At most 10⁹ operations (a multiply-add is two) and 10⁹ bytes a second, as its figures say."""

    @abstractmethod
    def figures(self) -> dict[str, tuple[object, str]]:
        """What is known of it by name: the figure, and where that is from."""

    def machine(self, threads: int) -> Machine | None:
        """What our schedule rules need to know of `threads` cores; None where they schedule nothing."""
        return None

    def pool_threads(self, threads: int | None) -> int:
        """Threads of TVM's pool that a network keeps busy beside the device; none where that does all."""
        return 0

    def row(self) -> dict[str, object]:
        """What a list of hardware says of it."""
        return {"target": self.name, "title": self.title, "cores": None, "clock GHz": None, "remark": ""}

    def source_of(self, figure: str) -> str:
        """Where a figure is from."""
        return next((text for names, text in self.sources.items() if figure in names.split(", ")), NOT_GIVEN)

    def definition(self) -> dict[str, Any]:
        """It as JSON, in which all runs of a study must agree; where it stands is no part of what it is."""
        kept: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        del kept["local"]
        return kept


class WithoutThreads(Hardware):
    """Hardware that has no threads to choose."""

    called: ClassVar[str]
    """What it is, in a few words."""

    def check_threads(self, threads: int | None) -> None:
        if threads not in (None, 1):
            raise UsageError(f"{self.name} is {self.called}; leave --threads out")


HARDWARE: Registry[Hardware] = Registry("target")
ABSENT: dict[str, str] = {}
"""Names of hardware that some machines have and this one has not, and what it lacks for it."""

Sort = TypeVar("Sort", bound=Hardware)


def find_hardware(ref: str) -> Hardware:
    """The hardware of that name, or `file.py:name` from the user's own file.

    Raises `UsageError` for an unknown name, for hardware that this machine would have to have, and for a file that is
    missing, does not import or lacks the name.
    """
    if is_file_reference(ref):
        found: Hardware = load_object(ref, lambda value: isinstance(value, Hardware), "hardware")
        return found
    if ref in ABSENT:
        raise UsageError(ABSENT[ref])
    return HARDWARE[ref]


def require(hardware: Hardware, kind: type[Sort]) -> Sort:
    """The hardware, which must be of a kind; raises `UsageError` with what it is instead."""
    if not isinstance(hardware, kind):
        raise UsageError(f"{hardware.name} is {hardware.described}")
    return hardware
