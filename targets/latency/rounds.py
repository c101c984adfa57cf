"""The order in which networks are measured together: in rounds, each in another order, so that drift hits all alike."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from blockfront.results.latency import Visit

BATCH = 16
"""Networks compiled before their measurements: their programs wait in memory."""
VISITS = 3
"""Measurements of each network of a batch."""

Key = TypeVar("Key")


class Rounds(Generic[Key]):
    """The visits of a batch of networks, each by a key of its own, `VISITS` to each; `seed` decides their order.

    >>> rounds = Rounds(["a", "b"], seed=0)
    >>> [len(list(rounds)), len(set(rounds))]
    [6, 2]
    """

    def __init__(self, keys: Sequence[Key], seed: int | str) -> None:
        self.visits: dict[Key, tuple[Visit, ...]] = dict.fromkeys(keys, ())
        self._seed = seed

    def __iter__(self) -> Iterator[Key]:
        """Whom to visit next; those that were given up meanwhile are passed over."""
        order, keys = random.Random(self._seed), list(self.visits)
        for _ in range(VISITS):
            yield from (key for key in order.sample(keys, len(keys)) if key in self.visits)

    def keep(self, key: Key, visit: Visit) -> None:
        """Add a visit to those of a network, unless that was given up meanwhile."""
        if key in self.visits:
            self.visits[key] += (visit,)

    def give_up(self, key: Key) -> bool:
        """Visit a network no more; whether it was not given up before."""
        return self.visits.pop(key, None) is not None
