"""The kept core models, made anew from published times: fitted on all of a core, judged on none of what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from blockfront.targets.latency.prediction.core_model import UNITS, Coefficients, CoreModel, Error
from blockfront.targets.latency.prediction.fitting import fit
from blockfront.targets.latency.prediction.guides import GUIDES, LEAST, Guide
from blockfront.validation.boards import CasePrediction, Observed, learned, predict
from blockfront.validation.judging import error_on, errors_of, published_times, spread_on_board


def refit(observations: Sequence[Observed]) -> list[CoreModel]:
    """A model for every core there is a guide of, from observations that are all in int8, or of which none is.

    A core with times is fitted on those of one thread; its errors are of predictions that left out the board, or the
    network. One without gets its guide's coefficients, each times what the
    relative's fit differs from the relative's guide, and the error of guides alone.
    """
    # The kept models must not judge here: they saw these boards.
    predictions = predict(observations, kept=False)
    int8 = any(one.case.int8 for one in observations)
    fitted = {core: model for core in GUIDES if (model := _fitted(core, observations, predictions)) is not None}
    alone = _guides_alone(observations)
    models = [fitted.get(core) or _carried(core, guide, fitted, alone) for core, guide in GUIDES.items()]
    return [msgspec.structs.replace(model, int8=int8) for model in models]


def _fitted(core: str, observations: Sequence[Observed], predictions: Sequence[CasePrediction]) -> CoreModel | None:
    group = [one for one in observations if one.case.core == core]
    if not group:
        return None
    seen = learned(group)
    boards = tuple(sorted({one.board for one in seen}))
    times = published_times(any(one.case.int8 for one in seen))
    provenance = f"fitted on {len(seen)} {times} on {', '.join(boards)}; begun at {{}}"
    return CoreModel(
        core,
        fit(seen, GUIDES[core].prior, least=LEAST),
        provenance.format(GUIDES[core].source),
        errors_of(core, predictions, boards),
        boards,
    )


def _guides_alone(observations: Sequence[Observed]) -> tuple[Error, ...]:
    """The error of cores without times is that of cores with times where those are not used."""
    times = published_times(any(one.case.int8 for one in observations))
    data = f"{times}, on cores whose guides alone predicted them"
    found = []
    for threads in sorted({one.case.placement.threads for one in observations}):
        pairs = []
        for one in observations:
            if one.case.placement.threads == threads:
                ms = one.work.milliseconds(GUIDES[one.case.core].prior.array())
                pairs.append((CasePrediction(one.case, None, ms), ms))
        found.append(error_on(pairs, data, threads, spread_on_board(pairs), scaling=0.0))
    return tuple(found)


def _carried(core: str, guide: Guide, fitted: Mapping[str, CoreModel], alone: tuple[Error, ...]) -> CoreModel:
    relative = fitted.get(guide.relative or "")
    if relative is None:
        return CoreModel(core, guide.prior, f"{guide.source}; no time to fit on", alone)
    ratios = {
        name: getattr(relative.coefficients, name) / before
        for name in UNITS
        if (before := getattr(GUIDES[relative.core].prior, name)) > 0
    }
    changed = {name: getattr(guide.prior, name) * ratio for name, ratio in ratios.items()}
    provenance = f"{guide.source}, changed as the {relative.core}'s fit changed its guide; no time to fit on"
    return CoreModel(core, _changed(guide.prior, changed), provenance, alone)


def _changed(prior: Coefficients, values: Mapping[str, float]) -> Coefficients:
    known = {name: getattr(prior, name) for name in prior.__struct_fields__}
    return Coefficients(**{**known, **values})
