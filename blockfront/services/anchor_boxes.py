"""What follows a detector without some of its anchors: timed on what it would leave, and estimated from a few times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.sweep.postprocessing import pack_boxes, time_postprocess, usual_candidates

if TYPE_CHECKING:
    from torch import nn

    from blockfront.anchors import RecordedBoxes, Removed
    from blockfront.anchors.slots import Step
    from blockfront.console.progress import Progress
    from blockfront.design_space import AnchorNetwork
    from blockfront.results.postprocess import BoxCandidates
    from blockfront.targets import Means

WALKS, STOPS = 3, 4
"""Ways from all slots to one, and the configurations on each that are timed for the estimates."""


class BoxesLatency:
    """Milliseconds of decoding and suppression behind a detector without some slots, by means that predict.

    What it leaves is what was recorded of the whole detector, but for the slots that went. `known` names the weights
    and the images, for what is kept in the cache folder.
    """

    def __init__(
        self, network: AnchorNetwork, module: nn.Module, boxes: RecordedBoxes, means: Means, known: str
    ) -> None:
        from blockfront.anchors import Memo, slot_of_rows

        self.network, self.module, self.boxes, self.means = network, module, boxes, means
        what = known, means.options.target.name, means.options.threads, means.meter.name, means.prediction
        self._memo = Memo(cache_folder() / "anchors" / f"{digest(repr(what), 20)}-boxes.jsonl")
        self._slot_of_row = slot_of_rows(network)
        self._counts = np.stack([np.bincount(image.slots, minlength=len(boxes.slots)) for image in boxes.images])
        self._weights = np.zeros(0)
        self.fitted: tuple[Removed, ...] = ()

    def __call__(self, removed: Removed) -> float:
        """Of the detector without some slots, compiled and run for it."""
        from blockfront.anchors import prune_detector

        def timed() -> tuple[float]:
            detector = prune_detector(self.network, self.module, removed)
            return (time_postprocess(detector, self.left(removed), self.means).ms,)

        return self._memo.of(removed, timed)[0]

    def left(self, removed: Removed) -> BoxCandidates:
        """What suppression looks at without some slots."""
        kept = ~np.isin(self._slot_of_row, [*removed])
        numbers = np.cumsum(kept) - 1

        def content(number: int) -> bytes:
            image = self.boxes.images[number]
            own = kept[image.rows]
            places = numbers[image.rows[own]] * self.boxes.classes + image.classes[own]
            return pack_boxes(places, image.scores[own], image.boxes[own])

        counts = [int(kept[image.rows].sum()) for image in self.boxes.images]
        return usual_candidates((int(kept.sum()), self.boxes.classes), self.boxes.limits.threshold, counts, content)

    def fit(self, step: Step, progress: Progress) -> None:
        """Time some configurations, from which `estimated` knows what an anchor and a candidate take."""
        from scipy.optimize import nnls

        self.fitted = self._on_the_way(step)
        with progress.stage("boxes", len(self.fitted)) as advance:
            times = []
            for removed in self.fitted:
                times.append(self(removed))
                advance()
        # Of each the share that it is off counts.
        rows = np.array([self._amounts(removed) for removed in self.fitted]) / np.array(times)[:, None]
        self._weights, _ = nnls(rows, np.ones(len(times)))

    def estimated(self, removed: Removed) -> float:
        """The same from how many anchors and candidates are left, of which fewer never take longer."""
        return float(self._amounts(removed) @ self._weights)

    def error(self, configurations: Sequence[Removed]) -> dict[str, float | int | None]:
        """How far estimates are off, as shares: of those fitted, and the mean and the largest of others."""

        def off(removed: Removed) -> float:
            return abs(self.estimated(removed) / self(removed) - 1)

        others = [off(removed) for removed in configurations if removed not in self.fitted]
        return {
            "fitted": len(self.fitted),
            "fitted_error": float(np.mean([off(removed) for removed in self.fitted])),
            "judged": len(others),
            "judged_error": float(np.mean(others)) if others else None,
            "judged_largest": max(others, default=None),
        }

    def _amounts(self, removed: Removed) -> NDArray[np.float64]:
        """What takes time: a call, anchors, candidates that are looked at, and their comparisons with each other."""
        gone = np.isin(self._slot_of_row, [*removed])
        counts = np.delete(self._counts, [*removed], axis=1).sum(1)
        looked_at = np.minimum(counts, self.boxes.limits.candidates).mean()
        return np.array([1.0, (~gone).sum(), counts.mean(), looked_at, looked_at**2])

    def _on_the_way(self, step: Step) -> tuple[Removed, ...]:
        """All slots, and stops on some ways to one slot, which chance leads."""
        chance, found = np.random.default_rng(0), [frozenset[int]()]
        for _ in range(WALKS):
            way: list[Removed] = [frozenset()]
            while children := self.boxes.slots.children(way[-1], step):
                way.append(children[chance.integers(len(children))])
            found += [way[round(part * (len(way) - 1))] for part in np.linspace(0, 1, STOPS + 1)[1:]]
        return tuple(dict.fromkeys(found))
