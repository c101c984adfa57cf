"""Which candidates are worth measuring: a model that learns from every kernel of a run for the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm_ffi
from sklearn.ensemble import ExtraTreesRegressor
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms

_TREES = 100
_GROWTH = 1.2


@derived_object
class TransferModel(ms.cost_model.PyCostModel):
    """Predicts best time / time of a kernel's candidates, from 0 to 1, by extremely randomised trees.

    Its features are MetaSchedule's of every store of a candidate, their sums and maxima over the stores. With 16 to
    64 candidates measured, the other kernels' candidates say more of the next ones than the kernel's own; so one
    model serves all searches of a run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._extractor = ms.feature_extractor.PerStoreFeature()
        self._measured: dict[int, list[tuple[np.ndarray, float]]] = defaultdict(list)
        self._trees: Any = None
        self._trained_on = 0
        self._random = np.random.default_rng(0)

    def update(self, context: ms.TuneContext, candidates: Sequence[Any], results: Sequence[Any]) -> None:
        """Learn from measured candidates; again whenever a fifth more of them are known."""
        times = [min(map(float, result.run_secs)) if result.run_secs else None for result in results]
        pairs = zip(self._features(context, candidates), times, strict=True)
        self._measured[tvm_ffi.structural_hash(context.mod)] += [(row, time) for row, time in pairs if time]
        known = sum(map(len, self._measured.values()))
        if known < _GROWTH * self._trained_on or not known:
            return
        rows = [row for kernel in self._measured.values() for row, _ in kernel]
        scores = [np.log(min(t for _, t in kernel) / time) for kernel in self._measured.values() for _, time in kernel]
        self._trees = ExtraTreesRegressor(_TREES, min_samples_leaf=2, random_state=0).fit(rows, scores)
        self._trained_on = known

    def predict(self, context: ms.TuneContext, candidates: Sequence[Any]) -> np.ndarray:
        """Scores of candidates, the higher the better; random ones until something was measured."""
        if self._trees is None:
            return self._random.uniform(size=len(candidates))
        return np.exp(self._trees.predict(self._features(context, candidates)))

    def _features(self, context: ms.TuneContext, candidates: Sequence[Any]) -> np.ndarray:
        stores = [tensor.numpy() for tensor in self._extractor.extract_from(context, candidates)]
        return np.array([np.concatenate([store.sum(0), store.max(0)]) for store in stores])
