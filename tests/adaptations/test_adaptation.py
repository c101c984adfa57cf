"""Whatever data decide after training travels from the training to the network that is compiled."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
import torch
from torch import nn

from blockfront.adaptations import ADAPTATIONS, Adaptation, TokenCounts
from blockfront.design_space import CnnNetwork, Network
from blockfront.sweep.stages import Job, profile_network, train_network
from blockfront.targets import Asked, choose, get_target
from blockfront.training import Recipe, get_dataset

NETWORK = "cnn_16_n10/stem_k3_s2_c8_nrelu/ir_r1_k3_s2_e2_c8_se0_nrelu6/head"


@dataclass(frozen=True)
class Offsets:
    """The mean output of each class over the training images."""

    means: tuple[float, ...]


class Shift(nn.Module):
    def __init__(self, offsets: Offsets) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.tensor(offsets.means))

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs - self.means


class Centred(Adaptation[Offsets]):
    """Takes from every class what it gets of any image."""

    name, title, artefact = "centred", "outputs around zero", Offsets

    def fit(self, module, feed):
        with torch.no_grad():
            outputs = torch.cat([module.eval()(images) for images, _ in feed.training()])
        return Offsets(tuple(outputs.mean(0).tolist()))

    def adapt(self, module, artefact):
        return nn.Sequential(module, Shift(artefact or Offsets((0.0,) * 10)))

    def origin(self, artefact):
        return "assumed" if artefact is None else "computed"

    def compare(self, module, adapted, feed):
        return {"agreement": 0.5}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(CnnNetwork, "adaptation", property(lambda self: Centred()))
    return Network.parse(NETWORK)


@pytest.mark.compiles
def test_what_is_fitted_after_training_is_scored_kept_and_compiled(network: Network) -> None:
    digits, means = get_dataset("digits"), choose(Asked(get_target("rk3399"), threads=1), runner="roofline")
    job = Job(str(network.id), NETWORK, seed=0, threads=1)
    found = train_network(job, digits, Recipe(epochs=1), "cpu").parts
    (adapted,), (training,) = found["adaptations"].values(), found["trainings"]
    assert set(found["adaptations"]) == {"centred"}
    assert adapted.shares == {"agreement": 0.5}
    assert adapted.before.keys() == training.scores.keys() == {"top1", "top5"}
    offsets = msgspec.convert(adapted.artefact, Offsets)
    assert any(offsets.means)

    deployed = network.deployed(offsets)
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(deployed(images), deployed[0](images) - torch.tensor(offsets.means))

    plain = profile_network(job, means)
    assert plain["adapted"] == {"centred": "assumed"}
    fitted = profile_network(Job(job.network_id, NETWORK, 0, 1, artefact=adapted.artefact), means)
    assert fitted["adapted"] == {"centred": "computed"}
    assert fitted["cost"].params == network.cost.params + 10


def test_what_the_suite_brings_is_registered_under_the_name_that_results_keep() -> None:
    assert {name: type(one) for name, one in ADAPTATIONS.items()} == {"token_counts": TokenCounts}
    assert all(one.name == name for name, one in ADAPTATIONS.items())
