"""Which trainings are worth going on with: what each network may reach, by its curve and by those of others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PILOTS = 6
"""Networks that are trained to the end in any case, or a tenth of all where that is more; others are judged by them."""
BELOW = 0.9
"""The share of networks that are meant to end below their optimistic gain: the upper end of an 80 % interval."""
LEAST = 4
"""Finished curves below which any network may yet reach anything."""


@dataclass(frozen=True)
class Contender:
    """A network as its chances are judged: what it costs, and its gain (a value that is to be large) after each epoch.

    `final` is its gain after the whole training, None while that is not over.
    """

    number: int
    cost: float
    curve: tuple[float, ...]
    final: float | None = None


@dataclass(frozen=True)
class Outlook:
    """What a network in training is expected to reach, at best, and what the front has at its cost.

    `expected` and `optimistic` are the middle and the upper end of an 80 % prediction interval. `needed` is the largest
    gain that a network of at most the same cost has or is expected to reach, less a standard error; without one, minus
    infinity.
    """

    number: int
    expected: float
    optimistic: float
    needed: float

    @property
    def hopeless(self) -> bool:
        """Whether it comes no nearer to the front than a standard error, at best."""
        return self.optimistic < self.needed

    @property
    def margin(self) -> float:
        """How far above what is needed it may end."""
        return self.optimistic - self.needed


def rungs(epochs: int) -> tuple[int, ...]:
    """The epochs of a training after which networks are judged: each at first, then ever fewer; not the last one."""
    found, epoch = [], 1
    while epoch < epochs:
        found.append(epoch)
        epoch = max(epoch + 1, epoch * 3 // 2)
    return tuple(found)


def pilot_count(networks: int) -> int:
    """How many networks of so many are pilots."""
    return min(networks, max(PILOTS, networks // 10))


def choose_pilots(contenders: Iterable[Contender]) -> set[int]:
    """The numbers of the networks that are trained to the end: spread evenly over the networks ordered by cost."""
    order = [one.number for one in sorted(contenders, key=lambda one: (one.cost, one.number))]
    count = pilot_count(len(order))
    return {order[(2 * place + 1) * len(order) // (2 * count)] for place in range(count)}


def foresee(contenders: Sequence[Contender], epoch: int, standard_error: float) -> list[Outlook]:
    """The outlook after `epoch` epochs of each contender that is not finished and has come so far.

    Final gains are forecast by a line through those of the finished contenders over their gains after the same epoch,
    least squares, with the prediction interval of a new one (Student's t). The outlook depends on the contenders alone,
    not on their order. Below 4 finished ones nothing is forecast, and nothing is out of reach.
    """
    there = sorted((one for one in contenders if len(one.curve) >= epoch), key=lambda one: one.number)
    done, going = (
        [one for one in there if (one.final is not None) == finished and math.isfinite(one.cost)]
        for finished in (True, False)
    )
    early, asked = (np.array([one.curve[epoch - 1] for one in some], dtype=np.float64) for some in (done, going))
    final = np.array([one.final for one in done], dtype=np.float64)
    expected, upper = _forecast(early, final, asked)
    costs = np.array([one.cost for one in (*done, *going)])
    gains = np.array([*(one.final for one in done), *expected], dtype=np.float64)
    found = []
    for place, one in enumerate(going):
        rivals = costs <= one.cost
        rivals[len(done) + place] = False
        needed = float(gains[rivals].max() - standard_error) if rivals.any() else -math.inf
        found.append(Outlook(one.number, float(expected[place]), float(upper[place]), needed))
    return found


def affordable(outlooks: Sequence[Outlook], epoch: int, epochs: int, left: int) -> set[int]:
    """The numbers of the networks that `left` epochs in all let go on after `epoch`, those of the largest margin first.

    What is left is shared evenly over the rungs that are to come, as in successive halving (Jamieson and Talwalkar,
    arXiv:1502.07943), so that ever fewer networks are trained ever longer.
    """
    later = [rung for rung in (*rungs(epochs), epochs) if rung > epoch]
    step = later[0] - epoch
    count = left // (len(later) * step)
    if count == 0 and left >= epochs - epoch:
        count = 1
    ranked = sorted(outlooks, key=lambda one: (-one.margin, one.number))
    return {one.number for one in ranked[:count]}


def going_on(outlooks: Sequence[Outlook], epoch: int, epochs: int, left: int | None = None) -> set[int]:
    """The numbers of the networks that go on after `epoch`: those that may reach the front, of them as `affordable`."""
    able = [one for one in outlooks if not one.hopeless]
    return {one.number for one in able} if left is None else affordable(able, epoch, epochs, left)


def _forecast(
    early: NDArray[np.float64], final: NDArray[np.float64], asked: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The expected final gain of each of `asked`, and the upper end of its prediction interval."""
    from scipy.special import stdtrit  # scipy.stats takes a second

    n = len(early)
    if n < LEAST:
        return asked, np.full(len(asked), np.inf)
    centre = early.mean()
    spread = float(((early - centre) ** 2).sum())
    slope = float(((early - centre) * final).sum()) / spread if spread > 0 else 0.0
    expected = final.mean() + slope * (asked - centre)
    residuals = final - final.mean() - slope * (early - centre)
    deviation = math.sqrt(float((residuals**2).sum()) / (n - 2))
    leverage = (asked - centre) ** 2 / spread if spread > 0 else 0.0
    return expected, expected + stdtrit(n - 2, BELOW) * deviation * np.sqrt(1 + 1 / n + leverage)
