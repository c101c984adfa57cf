"""Drawing networks by number: seed and index decide, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

from blockfront.blocks import Scalar
from blockfront.design_space.constraints import Constraints, broken_constraints, explain_refusals
from blockfront.design_space.dimension import Dimension, draw_value, shuffled_values
from blockfront.design_space.network import Network
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.results.cost import Cost

ATTEMPTS = 1000
ATTEMPTS_PER_FAMILY = 200
SMALL_SPACE = 5000

Values = dict[str, Scalar]
Pick = Callable[[str, Dimension], Scalar]


class Samplable(Protocol):
    """What a sequence of networks needs of a design space."""

    @property
    def name(self) -> str: ...
    @property
    def constraints(self) -> Constraints: ...
    @property
    def families(self) -> tuple[Scalar, ...]: ...
    @property
    def fitted(self) -> tuple[str, ...]: ...
    def compose(self, pick: Pick) -> tuple[Values, Network]: ...
    def enumerate(self) -> Iterator[tuple[Values, Network]]: ...


class NetworkSequence:
    """The sequence of distinct networks that one seed draws from a space; remembers what it drew.

    Each value is drawn from a hash of (seed, index, attempt, dimension name), so that another dimension,
    process or machine changes nothing. Families are dealt like cards: every round has each once, in a random
    order of its own, so that a small sample compares all of them. A network that breaks a constraint or
    repeats an earlier one of the seed is redrawn with the next attempt and the same family, lest constraints
    that suit one family starve another; after `ATTEMPTS_PER_FAMILY` failures the next family takes its turn.
    """

    def __init__(self, space: Samplable, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._drawn: list[tuple[Values, Network]] = []
        self._ids: set[str] = set()

    def __getitem__(self, index: int) -> tuple[Values, Network]:
        """The values that made network number `index`, and it; raises `UsageError` if none is left."""
        while len(self._drawn) <= index:
            values, network = self._draw(len(self._drawn))
            self._drawn.append((values, network))
            self._ids.add(network.id)
        return self._drawn[index]

    def _draw(self, index: int) -> tuple[Values, Network]:
        refused: list[Cost] = []
        attempt, limit = 0, ATTEMPTS
        while attempt < limit:
            families = 1

            def pick(name: str, dimension: Dimension, attempt: int = attempt) -> Scalar:
                nonlocal families
                if name != "family":
                    return draw_value(dimension, self._seed, index, attempt, name)
                families = len(dimension.values)
                order = shuffled_values(dimension, self._seed, index // families, name)
                return order[(index + attempt // ATTEMPTS_PER_FAMILY) % families]

            values, network = self._space.compose(pick)
            if self._accepts(network, refused):
                return values, network
            attempt, limit = attempt + 1, max(ATTEMPTS, families * ATTEMPTS_PER_FAMILY)
        return self._last_resort(index, refused)

    def _accepts(self, network: Network, refused: list[Cost]) -> bool:
        if network.id in self._ids:
            return False
        if self._space.constraints:
            cost = network.cost
            if broken_constraints(cost, self._space.constraints):
                refused.append(cost)
                return False
        return True

    def _last_resort(self, index: int, refused: list[Cost]) -> tuple[Values, Network]:
        """Look through a small space for networks that chance did not find; else say why there are none."""
        networks = list(islice(self._space.enumerate(), SMALL_SPACE + 1))
        if len(networks) <= SMALL_SPACE:
            refused = []
            left = {network.id: (values, network) for values, network in networks if self._accepts(network, refused)}
            if left:
                key = draw_value(Dimension(tuple(sorted(left))), self._seed, index, "last resort")
                return left[str(key)]
        where = f"design space {self._space.name!r}"
        if not self._ids:
            raise UsageError(f"{where}: {explain_refusals(refused, self._space.constraints)}")
        if len(networks) <= SMALL_SPACE:
            kind = " that meet its constraints" if self._space.constraints else ""
            raise UsageError(
                f"{where} has only {counted(len(self._ids), 'network')}{kind}; ask for no more, or widen it"
            )
        raise UsageError(
            f"{where}: {ATTEMPTS} or more attempts found no network besides the {len(self._ids)} drawn before"
            + (f"; {explain_refusals(refused, self._space.constraints)}" if refused else "; widen it")
        )
