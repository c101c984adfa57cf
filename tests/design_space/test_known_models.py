"""Published networks, written as specs, against torchvision's and timm's."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from blockfront.design_space import Cost, Network, count_cost
from blockfront.signature import Input, Signature

MOBILENET_V1 = (
    "cnn_224_n1000/stem_k3_s2_c32_nrelu/ds_r1_s1_c64/ds_r2_s2_c128/ds_r2_s2_c256/ds_r6_s2_c512/ds_r2_s2_c1024/head"
)
MOBILENET_V2 = (
    "cnn_224_n1000/stem_k3_s2_c32_nrelu6/ir_r1_k3_s1_e1_c16/ir_r2_k3_s2_e6_c24/ir_r3_k3_s2_e6_c32/ir_r4_k3_s2_e6_c64/"
    "ir_r3_k3_s1_e6_c96/ir_r3_k3_s2_e6_c160/ir_r1_k3_s1_e6_c320/head_c1280_nrelu6"
)
RESNET_18 = (
    "cnn_224_n1000/stem_k7_s2_c64_nrelu_pool/basic_r2_s1_c64/basic_r2_s2_c128/basic_r2_s2_c256/basic_r2_s2_c512/head"
)
RESNET_50 = (
    "cnn_224_n1000/stem_k7_s2_c64_nrelu_pool/bottleneck_r3_s1_c256/bottleneck_r4_s2_c512/bottleneck_r6_s2_c1024/"
    "bottleneck_r3_s2_c2048/head"
)
RESNEXT_50 = (
    "cnn_224_n1000/stem_k7_s2_c64_nrelu_pool/resnext_r3_s1_c256_gs4/resnext_r4_s2_c512_gs8/resnext_r6_s2_c1024_gs16/"
    "resnext_r3_s2_c2048_gs32/head"
)
SHUFFLENET_V2 = (
    "cnn_224_n1000/stem_k3_s2_c24_nrelu_pool/shufflenet_v2_r4_s2_c116/shufflenet_v2_r8_s2_c232/"
    "shufflenet_v2_r4_s2_c464/head_c1024_nrelu"
)
SHUFFLENET_V1 = (
    "cnn_224_n1000/stem_k3_s2_c24_nrelu_pool/shufflenet_v1_r4_s2_c200_g2/shufflenet_v1_r8_s2_c400_g2/"
    "shufflenet_v1_r4_s2_c800_g2/head"
)


def counted_by_torch(module: nn.Module, resolution: int) -> tuple[int, int]:
    """(MACs, parameters) as torch counts them."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(torch.zeros(1, 3, resolution, resolution))
    return counter.get_total_flops() // 2, sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("text", "macs", "params"),
    [(MOBILENET_V2, 300_774_272, 3_504_872), (RESNET_18, 1_814_073_344, 11_689_512)],
    ids=["mobilenet_v2", "resnet18"],
)
def test_published_sizes_come_out(text: str, macs: int, params: int) -> None:
    cost = Network.parse(text).cost
    assert (cost.macs, cost.params) == (macs, params)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MOBILENET_V1, "mobilenetv1_100"),
        (MOBILENET_V2, "torchvision:mobilenet_v2"),
        (RESNET_18, "torchvision:resnet18"),
        (RESNET_50, "torchvision:resnet50"),
        (RESNEXT_50, "torchvision:resnext50_32x4d"),
        (SHUFFLENET_V2, "torchvision:shufflenet_v2_x1_0"),
    ],
    ids=lambda value: value if "/" not in value else "",
)
def test_a_spec_costs_what_the_known_model_costs(text: str, name: str) -> None:
    network = Network.parse(text)
    kind, _, model = name.rpartition(":")
    reference = getattr(torchvision.models, model)() if kind else timm.create_model(model)
    assert (network.cost.macs, network.cost.params) == counted_by_torch(reference, 224)
    assert count_cost(reference, Signature.image(224)) == network.cost


def test_mobilenet_v2_as_a_spec_is_torchvisions_function() -> None:
    reference = torchvision.models.mobilenet_v2().eval()
    built = Network.parse(MOBILENET_V2).build().eval()
    built.load_state_dict(dict(zip(built.state_dict(), reference.state_dict().values(), strict=True)))
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        assert torch.allclose(built(images), reference(images), atol=1e-5)


def test_shufflenet_v1_has_the_papers_complexity() -> None:
    # Table 2 of arXiv:1707.01083 gives 140 M for g = 2; its first pointwise convolution is not grouped.
    assert Network.parse(SHUFFLENET_V1).cost.macs == pytest.approx(140e6, rel=0.03)


def test_resnet_50_has_the_activations_regnet_reports() -> None:
    # Table of arXiv:2003.13678: ResNet-50 has 11.1 M activations, those of the classifier not counted there.
    assert Network.parse(RESNET_50).cost.activations - 1000 == pytest.approx(11.1e6, rel=0.005)


def test_costs_add_up() -> None:
    assert Cost(1, 2, 3) + Cost(10, 20, 30) == Cost(11, 22, 33)


def test_functional_layers_are_counted_too() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(8, 3, 3, 3))
            self.matrix = nn.Parameter(torch.zeros(5, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = nn.functional.conv2d(x, self.weight, padding=1).mean((2, 3))
            return nn.functional.linear(x, self.matrix)

    assert count_cost(Functional(), Signature.image(10)) == Cost(100 * 27 * 8 + 40, 8 * 27 + 40, 800 + 5)


def test_counting_leaves_the_module_as_it_was() -> None:
    module = Network.parse("cnn_32_n10/stem_k3_s1_c8_nrelu/rep_r1_s2_c8/head").build().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    count_cost(module, Signature.image(32))
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert Network.parse("cnn_32_n10/stem_k3_s1_c8_nrelu/rep_r1_s2_c8/head").cost == count_cost(
        module, Signature.image(32)
    )


def test_whatever_a_module_takes_and_gives_is_counted() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.body, self.head = nn.Embedding(9, 4), nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 5)

        def forward(self, image: torch.Tensor, ids: torch.Tensor) -> dict[str, object]:
            features = self.body(image)
            pooled = features.mean((2, 3)) + self.table(ids)
            return {"maps": [features, (pooled, None)], "classes": self.head(pooled)}

    module = Heads()
    signature = Signature((Input("image", (1, 1, 6, 10)), Input("ids", (1,), "int64")))
    assert count_cost(module, signature) == Cost(60 * 9 * 4 + 20, 9 * 4 + 4 * 9 + 4 + 25, 60 * 4 + 5)
    assert module(*signature.random(0))["maps"][0].shape == (1, 4, 6, 10)
