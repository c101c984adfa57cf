"""Anchors from the data's boxes: for each level the shapes that its objects are nearest to, k-medoids under 1 - IoU.

A construction of ours, for heads with more anchors than they need; the published one for such heads is not public.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blockfront.design_space import DetectorHead
from blockfront.design_space.detector_head import join_slots
from blockfront.errors import UsageError

Numbers2d = NDArray[np.float64]
STEPS = 16
"""Steps an octave to which sides are rounded, 4 % each, so that large data sets have some thousand shapes."""


def shape_distances(shapes: Numbers2d) -> Numbers2d:
    """One less the intersection over union (n, n) of boxes of these widths and heights (n, 2) with one centre."""
    shared = np.minimum(shapes[:, None], shapes[None]).prod(-1)
    areas = shapes.prod(-1)
    return 1 - shared / (areas[:, None] + areas[None] - shared)


def choose_medoids(distances: Numbers2d, weights: NDArray[np.float64], count: int) -> tuple[int, ...]:
    """The numbers of `count` members to which the weighted sum of distances (n, n) is small, in order.

    The best one by one, and then whichever exchange of one for another member helps most, until none does: PAM
    (Kaufman and Rousseeuw 1990, chapter 2). No single exchange is better; of one medoid it is the optimum. All members
    where there are no more.
    """
    if count >= len(distances):
        return tuple(range(len(distances)))
    chosen: list[int] = []
    nearest = np.full(len(distances), np.inf)
    for _ in range(count):
        chosen.append(_best(distances, weights, nearest, chosen)[0])
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    total = float(weights @ nearest)
    while True:
        exchanges = []
        for place in range(len(chosen)):
            rest = [*chosen[:place], *chosen[place + 1 :]]
            others = distances[:, rest].min(1) if rest else np.full(len(distances), np.inf)
            member, cost = _best(distances, weights, others, chosen)
            exchanges.append((cost, place, member))
        cost, place, member = min(exchanges)
        if not cost < total * (1 - 1e-12):
            return tuple(sorted(chosen))
        chosen[place], total = member, cost


def _best(
    distances: Numbers2d, weights: NDArray[np.float64], nearest: NDArray[np.float64], chosen: list[int]
) -> tuple[int, float]:
    """The member that brings most beside those that make members as near as `nearest`, and the sum with it."""
    sums = weights @ np.minimum(nearest[:, None], distances)
    sums[chosen] = np.inf
    member = int(sums.argmin())
    return member, float(sums[member])


def fit_head(head: DetectorHead, objects: Numbers2d, count: int) -> DetectorHead:
    """The head with up to `count` shapes of its own for each level, from widths and heights (n, 2) as shares.

    An object is of the level whose size is nearest to the root of its area, by their ratio; a level without objects has
    no slots. Raises `UsageError` where there is no object, and for levels that share their layers.
    """
    if head.kind == "retina":
        raise UsageError("levels of retina share their layers, and cannot have shapes of their own")
    objects = objects[(objects > 0).all(1)]
    if not len(objects) or count < 1:
        raise UsageError("shapes follow from one object or more, and a level has one or more")
    sizes = np.log(objects.prod(1)) / 2
    level_of = np.abs(sizes[:, None] - np.log(np.array(head.sizes))).argmin(1)
    rounded = np.clip(2 ** (np.round(STEPS * np.log2(objects)) / STEPS), 1e-3, 1)
    slots = []
    for level in range(head.levels):
        shapes, members = np.unique(rounded[level_of == level], axis=0, return_counts=True)
        chosen = choose_medoids(shape_distances(shapes), members.astype(np.float64), count)
        sides = {(round(1000 * width), round(1000 * height)) for width, height in shapes[list(chosen)].tolist()}
        slots.append(join_slots(f"{width}x{height}" for width, height in sorted(sides)))
    return replace(head, slots=tuple(slots))


def mean_overlap(head: DetectorHead, objects: Numbers2d) -> float:
    """The mean over objects (n, 2) of the intersection over union with the anchor that is most like each."""
    anchors = np.array([shape for level in head.shapes() for shape in level])
    shared = np.minimum(objects[:, None], anchors[None]).prod(-1)
    found = shared / (objects.prod(1)[:, None] + anchors.prod(1)[None] - shared)
    return float(found.max(1).mean())
