"""Drawing networks in groups: a skeleton, and each family's block put into it, so that families compare in pairs."""

from __future__ import annotations

from collections import Counter

from blockfront.blocks import Scalar
from blockfront.design_space.constraints import broken_constraints
from blockfront.design_space.dimension import Dimension, draw_value, shuffled_values
from blockfront.design_space.network import Network
from blockfront.design_space.sampling import ATTEMPTS, Samplable, Values
from blockfront.errors import UsageError


class PairedSequence:
    """The sequence of networks that one seed draws from a space in groups of all its families; remembers what it drew.

    Network number i is member i mod F of skeleton i // F, of F families in an order of the skeleton's own. Each value
    is drawn from a hash of (seed, skeleton, attempt, dimension name), so all members have the same value of every
    dimension that they have: the blocks' own options too, where several blocks have one of that name. Dimensions in
    the space's `fitted`, such as a width multiplier, are there to bring costly and cheap blocks to the same costs: a
    member takes the first value, in an order that the members share, with which it meets the constraints. A skeleton is
    redrawn until all members meet them and none repeats an earlier network of the seed.
    """

    def __init__(self, space: Samplable, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._groups: list[list[tuple[Values, Network]]] = []
        self._ids: set[str] = set()
        self._misses: Counter[Scalar] = Counter()

    def __getitem__(self, index: int) -> tuple[Values, Network]:
        """The values that made network number `index`, and it; raises `UsageError` if there is none."""
        families = self._space.families
        if len(families) < 2:
            raise UsageError(f"space {self._space.name} has no families to put into one skeleton; draw without --pair")
        skeleton, place = divmod(index, len(families))
        while len(self._groups) <= skeleton:
            self._groups.append(self._draw(len(self._groups), families))
        return self._groups[skeleton][place]

    def _draw(self, skeleton: int, families: tuple[Scalar, ...]) -> list[tuple[Values, Network]]:
        self._misses.clear()
        order = shuffled_values(Dimension(families), self._seed, skeleton, "family")
        for attempt in range(ATTEMPTS):
            members: dict[Scalar, tuple[Values, Network]] = {}
            # Those that fit seldom first, which saves the others' work and changes nothing.
            for family in sorted(families, key=lambda name: -self._misses[name]):
                member = self._member(family, skeleton, attempt)
                if member is None:
                    self._misses[family] += 1
                    break
                members[family] = member
            else:
                networks = [network for _, network in members.values()]
                if len({network.family for network in networks}) < len(families):
                    raise UsageError(
                        f"space {self._space.name} gives stages blocks of their own, so its networks are of no one "
                        "family; draw without --pair"
                    )
                self._ids.update(network.id for network in networks)
                return [members[family] for family in order]
        raise UsageError(f"design space {self._space.name!r}: {self._why()}")

    def _member(self, family: Scalar, skeleton: int, attempt: int) -> tuple[Values, Network] | None:
        """The network of a family with this skeleton; None where none meets the constraints or it was drawn before."""
        tried, choices = 0, 1
        while tried < choices:

            def pick(name: str, dimension: Dimension, tried: int = tried) -> Scalar:
                nonlocal choices
                if name == "family":
                    return family
                if name in self._space.fitted:
                    choices = len(dimension.values)
                    return shuffled_values(dimension, self._seed, skeleton, attempt, name)[tried]
                return draw_value(dimension, self._seed, skeleton, attempt, name)

            values, network = self._space.compose(pick)
            constraints = self._space.constraints
            if network.id not in self._ids and not (constraints and broken_constraints(network.cost, constraints)):
                return values, network
            tried += 1
        return None

    def _why(self) -> str:
        """Why no skeleton was found, in words."""
        stopped = ", ".join(f"{family} in {count}" for family, count in self._misses.most_common(3))
        met = "meets the constraints" if self._space.constraints else "is new"
        return (
            f"of {ATTEMPTS} skeletons after {len(self._groups)} there is none of which every family's network {met}; "
            f"the first that does not is {stopped}; widen the constraints or the dimensions, or draw without --pair"
        )
