"""What a network is to a simulator: its layers, what is fused, what moves data, what cannot be simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch
from torch import nn

from blockfront.blocks import deploy
from blockfront.design_space import Network, count_cost
from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets.latency.accelerators import Layer, Move, make_workload
from blockfront.targets.latency.accelerators.layers import product


def workload(*layers, resolution=8):
    return make_workload(nn.Sequential(*layers).eval(), Signature.image(resolution))


@pytest.mark.parametrize(
    ("model", "options"),
    [("mobilenetv3_small_050", {}), ("vit_tiny_patch16_224", {"img_size": 64, "depth": 2}), ("convnext_atto", {})],
)
def test_layers_hold_every_mac_that_torch_counts(model, options):
    module = timm.create_model(model, **options).eval()
    found = make_workload(module, Signature.image(64))
    assert found.macs == count_cost(module, Signature.image(64)).macs
    assert found.mac_share == 1
    assert not found.foreign


def test_every_family_is_made_of_layers(all_families):
    network = all_families
    found = make_workload(deploy(network.build()), network.signature)
    assert found.macs == network.cost.macs


def test_a_convolution_keeps_its_window_stride_and_groups():
    convolution = nn.Conv2d(3, 12, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=3, bias=False)
    found = workload(convolution, resolution=16)
    # Height (16 + 2 - 3) // 2 + 1, width 16 + 4 - 9 + 1.
    expected = Layer("Conv", 3, 4, 1, (8, 12), (16, 16), (3, 5), (2, 1), dilation=(1, 2), padding=((1, 1), (2, 2)))
    assert found.layers == {expected: 1}


def test_equal_layers_are_counted_not_repeated():
    found = workload(*(nn.Conv2d(3, 3, 1) for _ in range(5)))
    assert list(found.layers.values()) == [5]


def test_what_one_producer_feeds_is_fused_into_it():
    norm = nn.BatchNorm2d(4)
    found = workload(nn.Conv2d(3, 4, 1), norm, nn.ReLU(), nn.Hardswish(), nn.Dropout(), nn.Sigmoid())
    assert found.fused == {"relu": 1, "hardswish": 1, "sigmoid": 1}
    assert not found.moves
    assert found.activation_share == 1


def test_what_others_read_too_is_stored_and_read_again():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 1)

        def forward(self, image):
            x = self.convolution(image)
            return x + torch.relu(x)

    found = make_workload(Both().eval(), Signature.image(8))
    # relu reads 4 × 8 × 8 and writes them, the sum reads both.
    assert found.moves == {Move("relu", 256, 256): 1, Move("add", 512, 256): 1}
    assert found.activation_share == 1 / 3


def test_any_image_and_several_outputs_make_a_workload():
    class Levels(nn.Module):
        def __init__(self):
            super().__init__()
            self.fine, self.coarse = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 1)

        def forward(self, image):
            fine = self.fine(image)
            return {"fine": fine, "levels": [fine.relu(), self.coarse(fine)]}

    found = make_workload(Levels().eval(), Signature.image(6, 10, channels=1))
    assert found.macs == 60 * 9 * 4 + 60 * 4 * 8
    # What is given as it is must be stored: the activation reads it again.
    assert found.moves == {Move("relu", 240, 240): 1}
    assert not found.fused


def test_pooling_and_norms_move_what_they_read_and_write():
    found = workload(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1))
    assert found.moves == {
        Move("group_norm", 256, 256): 1,
        Move("max_pool2d", 256, 64): 1,
        Move("adaptive_avg_pool2d", 64, 4): 1,
    }


def test_a_channel_shuffle_is_a_copy_and_a_flattening_none():
    found = workload(nn.Conv2d(3, 8, 1), nn.ChannelShuffle(2), nn.Flatten())
    (move,) = found.moves
    assert (move.read, move.written) == (512, 512)
    assert "flatten" in found.addressing


def test_attention_is_two_products_of_every_head_and_a_softmax():
    class Attention(nn.Module):
        def forward(self, image):
            tokens = image.reshape(1, 3, 16, 16).expand(1, 3, 16, 16)
            return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)

    found = make_workload(nn.Sequential(Attention()).eval(), Signature.image(16))
    # 3 heads of 16 tokens with 16 features; the tokens stand as 4 × 4 pixels.
    assert found.layers == {Layer("MatMul", 3, 16, 16, (4, 4), (4, 4)): 2}
    assert found.moves == {Move("softmax", 768, 768): 1}


def test_rows_of_a_product_stand_as_square_as_they_divide():
    assert product("Gemm", 1, 196, 8, 8).size == (14, 14)
    assert product("Gemm", 1, 12, 8, 8).size == (3, 4)
    assert product("Gemm", 1, 197, 8, 8).size == (1, 197)
    assert product("MatMul", 3, 49, 8, 5).macs == 3 * 49 * 8 * 5


def test_a_network_with_too_many_foreign_macs_is_refused_with_the_reason():
    # 12 MACs for each of 1024 pixels, then 4 × 4 × 4 × 4.
    with pytest.raises(RunError, match=r"only 4\.5% of the MACs .* it lacks conv_transpose2d \(0\.3 M\)"):
        workload(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 4, 4, 4), resolution=32)
    with pytest.raises(RunError, match="there are none"):
        workload(nn.ReLU())


def test_few_foreign_macs_are_reported():
    found = workload(nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 1, 1), Upsample())
    assert 0.99 < found.mac_share < 1
    # 8 × 8 pixels into 16 × 16 by a window of 2 × 2
    assert found.foreign == {"conv_transpose2d": 64 * 4}


class Upsample(nn.ConvTranspose2d):
    def __init__(self):
        super().__init__(1, 1, 2, 2)


def test_a_layer_without_a_batch_of_weights_is_a_linear_one():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.ones(8, 5))

        def forward(self, image):
            return image @ self.weights

    found = make_workload(Product().eval(), Signature.image(8))
    assert found.layers == {product("Gemm", 1, 24, 8, 5): 1}


def test_a_layers_loops_are_those_of_zigzag():
    layer = Layer("Conv", 2, 3, 4, (5, 6), (9, 11), (1, 3), (2, 2), padding=((0, 0), (1, 1)))
    loops = layer.loops(8)
    assert dict(zip(loops["loop_dims"], loops["loop_sizes"], strict=True)) == {
        **{"B": 1, "G": 2, "K": 3, "C": 4, "OY": 5, "OX": 6, "FY": 1, "FX": 3}
    }
    assert loops["pr_loop_sizes"] == [11, 9]
    assert loops["padding"] == [[1, 1], [0, 0]]
    assert loops["operand_precision"] == {"W": 8, "I": 8, "O": 16, "O_final": 8}
    assert replace(layer, stride=(2, 3)).loops(8)["dimension_relations"][0] == "ix=3*ox+1*fx"


def test_a_network_of_the_space_is_built_from_its_text():
    text = "cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_k3_s2_e2_c8_se0_nrelu6/head"
    network = Network.parse(text)
    names = [layer.name for layer in make_workload(deploy(network.build()), Signature.image(32)).layers]
    assert names[:3] == ["conv 3×3 3 to 8 channels, 32×32", "conv 1×1 8 to 16 channels, 32×32", names[2]]
    assert names[2] == "conv 3×3/2 in 16 groups, 16 to 16 channels, 16×16"
