"""The kept core models, made anew from published times: fitted on all of a core, judged on none of what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blockfront.targets.latency.prediction.core_model import UNITS, Coefficients, CoreModel, Error
from blockfront.targets.latency.prediction.fitting import fit
from blockfront.targets.latency.prediction.guides import GUIDES, LEAST, Guide
from blockfront.validation.accuracy import accuracy
from blockfront.validation.boards import Observed, learned, predict


def refit(observations: Sequence[Observed]) -> list[CoreModel]:
    """A model for every core there is a guide of.

    A core with times is fitted on those of one thread, and its error on all is that of predictions that left out the
    board, or the network where there is one board. One without gets its guide's coefficients, each times what the
    relative's fit differs from the relative's guide.
    """
    fitted = {core: model for core in GUIDES if (model := _fitted(core, observations)) is not None}
    return [fitted.get(core) or _carried(core, guide, fitted) for core, guide in GUIDES.items()]


def _fitted(core: str, observations: Sequence[Observed]) -> CoreModel | None:
    group = [one for one in observations if one.case.core == core]
    if not group:
        return None
    seen = learned(group)
    boards = tuple(sorted({one.board for one in seen}))
    provenance = f"fitted on {len(seen)} published times of ncnn's networks on {', '.join(boards)}; begun at {{}}"
    return CoreModel(
        core,
        fit(seen, GUIDES[core].prior, least=LEAST),
        provenance.format(GUIDES[core].source),
        _error(group, boards),
        boards,
    )


def _error(group: Sequence[Observed], boards: Sequence[str]) -> Error | None:
    # The kept models must not judge here: they saw these boards.
    left_out = "board" if len(boards) > 1 else "network"
    predictions = predict(group)
    pairs = [
        (getattr(one, f"{left_out}_ms"), one.case.published.milliseconds)
        for one in predictions
        if getattr(one, f"{left_out}_ms") is not None
    ]
    found = accuracy([predicted for predicted, _ in pairs], [measured for _, measured in pairs])
    if found is None:
        return None
    data = f"published times of ncnn's networks, each {left_out} left out of its fit"
    return Error(found.median_abs_error, found.p90_abs_error, found.n, data)


def _carried(core: str, guide: Guide, fitted: Mapping[str, CoreModel]) -> CoreModel:
    relative = fitted.get(guide.relative or "")
    if relative is None:
        return CoreModel(core, guide.prior, f"{guide.source}; no time to fit on")
    ratios = {
        name: getattr(relative.coefficients, name) / before
        for name in UNITS
        if (before := getattr(GUIDES[relative.core].prior, name)) > 0
    }
    changed = {name: getattr(guide.prior, name) * ratio for name, ratio in ratios.items()}
    provenance = f"{guide.source}, changed as the {relative.core}'s fit changed its guide; no time to fit on"
    return CoreModel(core, _changed(guide.prior, changed), provenance)


def _changed(prior: Coefficients, values: Mapping[str, float]) -> Coefficients:
    known = {name: getattr(prior, name) for name in prior.__struct_fields__}
    return Coefficients(**{**known, **values})
