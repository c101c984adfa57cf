"""A trained detector by what a user calls it: a file of weights, a network of a study, a network's text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.errors import UsageError
from blockfront.plurals import counted

if TYPE_CHECKING:
    from torch import nn

    from blockfront.design_space import AnchorNetwork, Network
    from blockfront.training import Dataset


@dataclass(frozen=True)
class TrainedDetector:
    """A detector, the file of its weights, and the data set that its study trained it on, where that is known."""

    network: AnchorNetwork
    weights: Path
    dataset: str | None = None

    def build(self) -> nn.Module:
        """The module with these weights, in evaluation mode; raises `UsageError` where they do not fit."""
        from blockfront.training import load_weights

        module = self.network.build()
        load_weights(module, self.weights)
        return module.eval()

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise `UsageError` for a data set of another task, or of another number of classes."""
        network = self.network
        if dataset.task != network.task or dataset.num_classes != network.num_classes:
            raise UsageError(
                f"{dataset.ref} has {counted(dataset.num_classes, 'class')} for {dataset.task}, and the network is for "
                f"{network.num_classes} for {network.task}"
            )


def find_detector(ref: str, weights: Path | None, storage: str) -> TrainedDetector:
    """The detector that `ref` means: `FILE.safetensors` that names its network, `STUDY:NUMBER`, an id or a text.

    Weights are the file's, `weights`, or those that a sweep kept beside the storage. Raises `UsageError` for what is no
    trained detector.
    """
    from blockfront.design_space import Network

    if ref.lower().endswith(".safetensors"):
        return TrainedDetector(_detector(_network_of_file(Path(ref)), ref), weights or Path(ref))
    if (numbered := re.fullmatch(r"(.+):(\d+)", ref)) is not None:
        study, number = numbered[1], int(numbered[2])
        text, dataset = _of_trial(study, number, storage)
        return _with_weights(Network.parse(text), ref, weights, storage, study, dataset)
    from blockfront.study.lookup import find_models, known_studies

    if ref in known_studies(storage):
        raise UsageError(f"{ref} is a study: name one of its networks, as {ref}:NUMBER or by its id")
    (model,) = find_models(ref, storage)
    if model.network is None:
        raise UsageError(f"{ref} is no network of a space for detection, such as detect")
    return _with_weights(Network.parse(model.network), ref, weights, storage)


def _with_weights(
    network: Network, ref: str, weights: Path | None, storage: str, study: str | None = None, dataset: str | None = None
) -> TrainedDetector:
    from blockfront.study.weights import find_weights

    detector = _detector(network, ref)
    return TrainedDetector(detector, weights or find_weights(detector.id, storage, study).path, dataset)


def _detector(network: Network, ref: str) -> AnchorNetwork:
    from blockfront.design_space import AnchorNetwork
    from blockfront.tasks import DETECTION

    if not isinstance(network, AnchorNetwork):
        raise UsageError(f"{ref} is no detector, and has no anchors; take one of bench sample --space detect")
    if network.task != DETECTION:
        raise UsageError(f"{ref} is for {network.task}, and anchors are searched by the AP of boxes alone: detection")
    return network


def _network_of_file(path: Path) -> Network:
    from blockfront.design_space import Network
    from blockfront.training import weights_facts

    facts = weights_facts(path)
    if "network" not in facts:
        raise UsageError(f"{path} does not say which network it is of: give the network's text, and --weights {path}")
    return Network.parse(facts["network"])


def _of_trial(study: str, number: int, storage: str) -> tuple[str, str | None]:
    """The text of a study's network, and the data set of the study."""
    from blockfront.study.reading import read_results
    from blockfront.study.storage import open_study, opened

    with opened(storage) as opened_storage:
        results = list(read_results(open_study(opened_storage, study)))
    for result in results:
        if result.trial == number and result.network is not None and result.network.text is not None:
            return result.network.text, result.origin.dataset
    raise UsageError(f"study {study} has no network number {number}; bench export lists them in the column trial")
