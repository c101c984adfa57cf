"""Vision transformers as networks: identity, text, costs and what cannot be."""

from __future__ import annotations

import msgspec
import pytest
import timm
import torch

from blockfront.adaptations import TokenCounts
from blockfront.blocks import deploy
from blockfront.blocks.tokens import Plan, assume_counts
from blockfront.design_space import Network, ReductionSpec, VitNetwork, count_cost
from blockfront.errors import UsageError
from blockfront.signature import Signature

PLAIN = "vit_32_n10/p4_d4_w64_h2_m3"
REDUCED = [f"{PLAIN}/{method}" for method in ("tome_r5", "cropr_r5", "evit_keep0.7", "random_r5", "ltmp_target0.6")]
DEIT_TINY = "vit_224_n1000/p16_d12_w192_h3_m4"
DEIT_SMALL = "vit_224_n1000/p16_d12_w384_h6_m4"


@pytest.mark.parametrize("text", [PLAIN, *REDUCED, f"{PLAIN}/tome_r5_proportional=false", f"{PLAIN}/evit_target0.5"])
def test_a_transformer_parses_back_from_its_text_and_its_json(text: str) -> None:
    network = Network.parse(text)
    assert str(network) == text
    assert Network.parse(text) == network
    assert msgspec.json.decode(msgspec.json.encode(network), type=VitNetwork) == network
    assert Network.parse(text).id == network.id


def test_one_transformer_has_one_identity_which_does_not_move_between_versions() -> None:
    network = VitNetwork(32, 10, 4, 4, 64, 2, 3, ReductionSpec.of("evit", keep=1))
    assert network.id == Network.parse(f"{PLAIN}/evit_keep1.0_fuse=true").id
    assert Network.parse(REDUCED[0]).id == "71c87c730ce4"


def test_the_family_is_the_reduction() -> None:
    families = [Network.parse(text).family for text in (PLAIN, *REDUCED)]
    assert families == ["vit", "vit_tome", "vit_cropr", "vit_evit", "vit_random", "vit_ltmp"]


@pytest.mark.parametrize(
    ("text", "name", "gmacs"),
    [(DEIT_TINY, "deit_tiny_patch16_224", 1.2537), (DEIT_SMALL, "deit_small_patch16_224", 4.5989)],
)
def test_deit_comes_out_with_its_published_sizes(text: str, name: str, gmacs: float) -> None:
    network = Network.parse(text)
    with torch.device("meta"):
        deit, built = timm.create_model(name), network.build()
    assert {key: value.shape for key, value in built.state_dict().items()} == {
        key: value.shape for key, value in deit.state_dict().items()
    }
    assert network.cost == count_cost(deit, Signature.image(224))
    assert network.cost.macs / 1e9 == pytest.approx(gmacs, abs=5e-5)


@pytest.mark.parametrize("text", [PLAIN, *REDUCED, f"{PLAIN}/cropr_r5_fusion=false_queries=3"])
def test_costs_in_closed_form_are_those_counted(text: str) -> None:
    network = Network.parse(text)
    assert network.cost == count_cost(network.deployed(), Signature.image(32))


@pytest.mark.parametrize("text", REDUCED[:-1])
def test_what_is_deployed_computes_what_is_evaluated_with_nothing_that_only_trains(text: str) -> None:
    network = Network.parse(text)
    module, images = network.build().eval(), torch.randn(2, 3, 32, 32)
    deployed = deploy(module)
    with torch.no_grad():
        assert torch.allclose(deployed(images), module(images), atol=1e-6)
    assert sum(parameter.numel() for parameter in deployed.parameters()) == network.cost.params


def test_a_network_that_learns_its_counts_is_deployed_with_those_given_or_else_assumed() -> None:
    network = Network.parse(f"{PLAIN}/ltmp_target0.6")
    assert isinstance(network.adaptation, TokenCounts)
    assert Network.parse(PLAIN).adaptation is None
    plan = Plan(lengths=(60, 50, 40, 30), merges=(3, 5, 5, 5), thresholds={}, macs=0.0, images=8, data="")
    for given, lengths in ((plan, plan.lengths), (None, assume_counts(network.build()).lengths)):
        with torch.no_grad():
            run = network.deployed(given).run(torch.randn(2, 3, 32, 32))
        assert tuple(run.counts()[1][:, 0].tolist()) == lengths


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vit_32_n10", "is not vit_<resolution>_n<classes>/p"),
        ("vit_32/p4_d4_w64_h2_m3", "segment 'vit_32' "),
        ("vit_32_n10/p4_d4_w64_m3", "segment 'p4_d4_w64_m3' .* is not p<patch>_d<depth>"),
        ("vit_0_n10/p4_d4_w64_h2_m3", "positive resolution"),
        ("vit_30_n10/p4_d4_w64_h2_m3", "patches of 4 pixels do not divide 30"),
        ("vit_32_n10/p4_d4_w64_h3_m3", "3 heads do not divide a width of 64"),
        ("vit_32_n10/p4_d0_w64_h2_m3", "depth of a transformer is at least 1, not 0"),
        ("vit_32_n10/p4_d4_w64_h2_m0", "an MLP of 0 × 64 channels has none"),
        (f"{PLAIN}/tmoe_r4", "segment 'tmoe_r4': .*did you mean tome"),
        (f"{PLAIN}/tome", "segment 'tome': tome takes one of target and r"),
        (f"{PLAIN}/tome_rsix", "option 'r' of tome cannot be 'six'"),
        (f"{PLAIN}/tome_r4_r5", "r is given twice"),
        (f"{PLAIN}/tome_r4_inflexion=1", "no option 'inflexion'; did you mean inflection"),
        (f"{PLAIN}/evit_keep2", "segment 'evit_keep2': keep of evit is a share"),
        (f"{PLAIN}/ltmp_target1.6", "segment 'ltmp_target1.6': target 1.6 is out of range"),
        ("vit_32_n10/p4_d2_w64_h2_m3/cropr_r4", "cropr needs more than 2 blocks"),
    ],
)
def test_bad_text_names_what_is_wrong_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as error:
        Network.parse(text)
    assert "\n" not in str(error.value)
