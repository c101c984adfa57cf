"""Networks of another task than classification: their text, their cost, and what is compiled."""

from __future__ import annotations

import msgspec
import pytest
import torch

from blockfront.design_space import CnnNetwork, DesignSpace, Network, Stage, VitNetwork, count_cost, load_space
from blockfront.errors import UsageError
from blockfront.results import Cost
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.tasks import Task

CNN = "cnn_16_{}2/stem_k3_s2_c8_nrelu/ir_r1_k3_s2_e2_c8_se0_nrelu6/head"
VIT = "vit_16_{}2/p4_d2_w16_h1_m2"
REDUCED = f"{VIT}/ltmp_target0.7"
TEXTS = [CNN, VIT, REDUCED]


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_names_the_task_by_its_tag(text: str, regression: Task) -> None:
    network, classifier = Network.parse(text.format("r")), Network.parse(text.format("n"))
    assert (network.task, classifier.task) == ("regression", "classification")
    assert str(network) == text.format("r")
    assert network.id != classifier.id
    assert msgspec.json.decode(msgspec.json.encode(network), type=type(network)) == network
    assert isinstance(network, CnnNetwork | VitNetwork)


@pytest.mark.parametrize("text", [CNN, VIT])
def test_a_tag_that_nothing_here_knows_is_shown(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"segment '\w+_16_r2': unknown tag of a task 'r'; known: n \(classification\)"
    ):
        Network.parse(text.format("r"))


@pytest.mark.parametrize("text", TEXTS)
def test_the_cost_is_of_the_network_and_its_post_processing(text: str, regression: Task) -> None:
    """A linear layer from two numbers to three: six multiply-adds, nine parameters, three outputs."""
    network, classifier = Network.parse(text.format("r")), Network.parse(text.format("n"))
    assert network.cost == count_cost(network.deployed(), Signature.image(16))
    assert network.cost == classifier.cost + Cost(6, 9, 3)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_deployed_is_the_network_followed_by_its_post_processing(text: str, regression: Task) -> None:
    torch.manual_seed(0)
    deployed = Network.parse(text.format("r")).deployed()
    torch.manual_seed(0)
    plain = Network.parse(text.format("n")).deployed()
    image = torch.randn(2, 3, 16, 16)
    outputs = plain(image)
    expected = (outputs @ torch.tensor([[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]) + 0.5).clamp(min=0)
    torch.testing.assert_close(deployed(image), expected)
    assert not deployed.training


@pytest.mark.compiles
def test_post_processing_is_compiled_and_compared_with_torch(regression: Task) -> None:
    network = Network.parse(CNN.format("r"))
    target = get_target("rk3399")
    with_it = compile_model(network.deployed(), Signature.image(16), target, threads=1, seed=0)
    without = compile_model(Network.parse(CNN.format("n")).deployed(), Signature.image(16), target, threads=1, seed=0)
    assert sum(kernel.macs * kernel.calls for kernel in with_it.kernels) == network.cost.macs
    assert len(with_it.kernels) == len(without.kernels) + 1
    assert with_it.max_rel_error <= 1e-4


def test_a_space_makes_networks_of_its_task(regression: Task) -> None:
    space = load_space("mobile", 32, 2, "regression")
    assert str(space.sample(0, 0)).startswith("cnn_32_r2/")
    assert str(load_space("vit", 32, 2, "regression").sample(0, 0)).startswith("vit_32_r2/")
    assert space.definition()["task"] == "regression"
    classifiers = load_space("mobile", 32, 2)
    assert "task" not in classifiers.definition()
    assert space.hash != classifiers.hash == classifiers.with_input(task="classification").hash


def test_a_space_for_a_task_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown task 'clasification'; did you mean classification"):
        DesignSpace("typo", family="ir", stages=[Stage(1, 8)], task="clasification")
