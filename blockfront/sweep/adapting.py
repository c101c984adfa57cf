"""A network that data adapt after its training: trained, fitted, and scored as it will be deployed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from torch import nn

if TYPE_CHECKING:
    from blockfront.adaptations import Adaptation
    from blockfront.design_space import Network
    from blockfront.training import Dataset, Recipe


def as_adapted(network: Network, module: nn.Module, parts: Mapping[str, Any]) -> nn.Module:
    """What of a trained module of a network is scored: as its adaptation, found in `parts`, has it, if there is one."""
    adaptation = network.adaptation
    if adaptation is None:
        return module
    artefact = msgspec.convert(parts["adaptations"][adaptation.name].artefact, adaptation.artefact)
    return adaptation.adapt(module, artefact)


def train_and_adapt(
    module: nn.Module,
    adaptation: Adaptation[Any],
    dataset: Dataset,
    recipe: Recipe,
    where: Mapping[str, Any],
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train a network's part that is trained, fit the adaptation, score what it gives: parts of a `Result` by name.

    The training's scores are the adapted network's, which is what is compiled. `where`: `train`'s arguments
    resolution, device, threads and seed; `checkpoint` is its file.
    """
    from blockfront.results import Adapted
    from blockfront.training import fed, score, train

    start = time.perf_counter()
    plain = train(adaptation.trained(module), dataset, recipe, checkpoint=checkpoint, **where)
    with fed(module, dataset, **where) as feed:
        artefact = adaptation.fit(module, feed)
        adapted = adaptation.adapt(module, artefact)
        scores, shares = score(adapted, feed), adaptation.compare(module, adapted, feed)
    training = replace(plain, scores=scores, seconds=time.perf_counter() - start)
    found = Adapted(msgspec.to_builtins(artefact), plain.scores, shares)
    return {"adaptations": {adaptation.name: found}, "trainings": (training,)}
