"""The results of a study as it is now, with the accuracies that it was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.results import Result, Training
from blockfront.results.postprocess import Postprocess
from blockfront.results.trial import read_result, write_part
from blockfront.study.settings import origin_of, read_settings
from blockfront.study.trials import network_trials, warn_of_foreign

if TYPE_CHECKING:
    from optuna.study import Study

_GIVEN = "accuracies"
_ORIGIN = "accuracy_origin"
_BOXES = "postprocesses"


def read_results(study: Study) -> Iterator[Result]:
    """What a study knows of each of its networks; a warning says how many trials of others are left out.

    A network that was neither trained nor tested here has the accuracy that `give_accuracies` gave it, and a detector
    what `give_postprocess` gave it.
    """
    origin = origin_of(study.study_name, read_settings(study))
    warn_of_foreign(study)
    given: Mapping[str, Any] = study.user_attrs.get(_GIVEN, {})
    boxes: Mapping[str, Any] = study.user_attrs.get(_BOXES, {})
    for trial in network_trials(study):
        result = read_result(origin, trial)
        if result.postprocess is None and result.network is not None and (own := boxes.get(str(result.network.id))):
            result = replace(result, postprocess=msgspec.convert(own, Postprocess))
        if not result.trainings and result.network is not None and (kept := given.get(str(result.network.id))):
            result = replace(result, trainings=(msgspec.convert(kept, Training),))
        yield result


def give_postprocess(study: Study, found: Mapping[str, Postprocess]) -> None:
    """Keep what follows detectors whose weights are from elsewhere, by the networks' ids, in place of what was known of
    the same ones."""
    kept = study.user_attrs.get(_BOXES, {})
    study.set_user_attr(_BOXES, {**kept, **{network: write_part(one) for network, one in found.items()}})


def give_accuracies(study: Study, trainings: Mapping[str, Training], origin: str) -> None:
    """Keep accuracies of one `origin`, by the networks' ids, in place of all that were given before."""
    study.set_user_attr(_GIVEN, {network: write_part(training) for network, training in trainings.items()})
    study.set_user_attr(_ORIGIN, origin)
