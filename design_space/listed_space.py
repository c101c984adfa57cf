"""A space that lists its networks: known ones, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from blockfront.design_space.dimension import Field
from blockfront.design_space.image_size import OWN_SIZE, ImageSize
from blockfront.design_space.known import known_network
from blockfront.design_space.listing import expand
from blockfront.design_space.network import Network
from blockfront.design_space.sampling import Values
from blockfront.design_space.space import Space, Take
from blockfront.errors import UsageError
from blockfront.plurals import counted


@dataclass(frozen=True)
class ListedSpace(Space):
    """Networks in the order of a list; nothing is drawn, and seeds change nothing.

    Its definition does not name them: a study of it may grow by any others.
    """

    networks: tuple[Network, ...] = field(kw_only=True)

    @property
    def family(self) -> Field | None:
        return None

    def sample_values(self, seed: int, index: int, *, paired: bool = False) -> tuple[Values, Network]:
        if not 0 <= index < len(self.networks):
            raise UsageError(
                f"space {self.name} lists {counted(len(self.networks), 'network')}; there is none of number {index}"
            )
        return {}, self.networks[index]

    def make(self, take: Take) -> Network:
        raise UsageError(f"space {self.name} lists its networks: a sampler has nothing to choose")

    def enumerate(self) -> Iterator[tuple[Values, Network]]:
        return (({}, network) for network in self.networks)

    def definition(self) -> dict[str, Any]:
        return {"name": self.name, **self.parts()}

    def parts(self) -> dict[str, Any]:
        return {"kind": "listed"}


def list_networks(refs: Sequence[str], size: ImageSize = OWN_SIZE) -> tuple[ListedSpace, tuple[str, ...]]:
    """The space of the networks that `refs` mean, each once, and what a reader is to be told of it, in lines.

    Raises UsageError for a name that is nobody's, a pattern that fits none, and a list that is missing or empty.
    """
    found: dict[str, Network] = {}
    twice: list[str] = []
    for ref in expand(refs):
        network = known_network(ref, size)
        if network.id in found:
            twice.append(ref)
        found.setdefault(network.id, network)
    notes = (f"named more than once and taken once: {', '.join(dict.fromkeys(twice))}",) if twice else ()
    return ListedSpace("known", networks=tuple(found.values())), notes
