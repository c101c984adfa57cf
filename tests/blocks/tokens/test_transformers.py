"""Every method on every kind of timm VisionTransformer: what holds for all of them."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from timm.layers import SwiGLUPacked
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import ResPostBlock
from torch import nn

from blockfront.blocks import deploy
from blockfront.blocks.tokens import METHODS, calibrate, make_static, reduce_tokens

BACKBONES = {
    "class token": {},
    "layer scale": {"init_values": 0.1, "no_embed_class": True},
    "registers": {"reg_tokens": 4, "init_values": 0.1, "mlp_layer": SwiGLUPacked},
    "distilled": {"cls": VisionTransformerDistilled},
    "mean": {"global_pool": "avg"},
    "mean without class token": {"global_pool": "avg", "class_token": False},
    "maximum": {"global_pool": "avgmax", "pool_include_prefix": True},
    "normalised keys": {"qk_norm": True, "scale_attn_norm": True, "norm_layer": nn.LayerNorm},
    "norms after": {"block_fn": ResPostBlock, "init_values": 1.0},
    "any resolution": {"dynamic_img_size": True},
}
OFF = {
    "ltmp": {"merge_threshold": float("inf"), "prune_threshold": float("-inf")},
    "tome": {"r": 0},
    "cropr": {"target": 1.0},
    "evit": {"keep": 1.0},
    "random": {"r": 0},
}
ON = {
    "ltmp": {"merge_threshold": 0.5, "prune_threshold": 0.013},
    "tome": {"r": 5},
    "cropr": {"r": 6},
    "evit": {"keep": 0.7},
    "random": {"r": 5},
}


@pytest.fixture(params=BACKBONES)
def backbone(request, make_vit):
    return make_vit(**BACKBONES[request.param])


def test_every_method_is_covered_here():
    assert set(OFF) == set(ON) == set(METHODS)


@pytest.mark.parametrize("method", OFF)
@pytest.mark.parametrize("fused", [True, False])
def test_a_method_that_removes_nothing_leaves_the_logits(method, fused, backbone, images):
    for block in backbone.blocks:
        block.attn.fused_attn = fused
    with torch.no_grad():
        expected = backbone(images)
        reduced = reduce_tokens(backbone, method, **OFF[method])
        for training in (False, True):
            reduced.reducer.train(training)
            assert (reduced(images) - expected).abs().max() <= 2e-6 * expected.abs().max()


@pytest.mark.parametrize("method", ON)
def test_a_batch_is_its_images_one_by_one(method, backbone, images):
    reduced = reduce_tokens(backbone, method, **ON[method])
    with torch.no_grad():
        together = reduced.run(images)
        alone = [reduced.run(image[None]) for image in images]
    torch.testing.assert_close(together.logits, torch.cat([run.logits for run in alone]), rtol=1e-5, atol=1e-5)
    assert together.counts()[1].equal(torch.cat([run.counts()[1] for run in alone], dim=1))
    assert together.counts()[1][-2].max() < backbone.patch_embed.num_patches


@pytest.mark.parametrize("method", ON)
def test_prefix_tokens_stay_first_and_nobody_merges_with_them(method, backbone, images):
    reduced = reduce_tokens(backbone, method, **ON[method])
    prefix = backbone.num_prefix_tokens
    with torch.no_grad():
        run = reduced.run(images[2:3], trace_sources=True)
    total = backbone.patch_embed.num_patches + prefix
    assert run.tokens.source.shape[1:] == (run.tokens.length, total)
    assert run.tokens.source[0, :prefix].equal(torch.eye(total)[:prefix])
    assert (run.tokens.source.sum(1) <= 1).all(), "no token stands in two places"


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"ltmp"}))
@pytest.mark.parametrize("target", [0.9, 0.75, 0.6])
def test_a_target_is_the_share_of_the_blocks_macs(method, target):
    with torch.device("meta"):
        backbone = timm.create_model("deit_tiny_patch16_224")
        reduced = reduce_tokens(backbone, method, target=target)
    share = reduced.macs.share(*reduced.reducer.counts(197))
    assert share == pytest.approx(target, rel=0.01)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"ltmp"}))
def test_the_counts_foretold_are_those_of_a_run(method, backbone, images):
    reduced = reduce_tokens(backbone, method, **ON[method])
    with torch.no_grad():
        attended, kept = reduced.run(images[:1]).counts()
    tokens = backbone.patch_embed.num_patches + backbone.num_prefix_tokens
    assert reduced.reducer.counts(tokens) == (attended[:, 0].tolist(), kept[:, 0].tolist())


@pytest.mark.parametrize("method", ON)
def test_the_backbone_is_shared_and_works_as_before(method, vit, images):
    with torch.no_grad():
        before = vit(images)
        reduced = reduce_tokens(vit, method, **ON[method])
        reduced(images)
        assert vit(images).equal(before)
    assert reduced.backbone is vit


@pytest.mark.parametrize("method", ON)
def test_states_are_interchanged(method, make_vit, vit, images):
    reduced = reduce_tokens(vit, method, **ON[method])
    other = make_vit()
    nn.init.zeros_(other.head.weight)
    copied = reduce_tokens(other, method, **ON[method])
    copied.load_state_dict(reduced.state_dict())
    assert copied(images).equal(reduced(images))
    nn.init.zeros_(other.head.weight)
    copied.load_state_dict(vit.state_dict())
    assert copied(images).equal(reduced(images)), "a plain backbone's state fits too"
    plain = make_vit()
    plain.load_state_dict(reduced.backbone.state_dict())
    assert plain(images).equal(vit(images))


@pytest.mark.parametrize("method", ON)
def test_a_reduced_network_can_be_copied_and_deployed(method, vit, images):
    reduced = reduce_tokens(vit, method, **ON[method])
    torch.testing.assert_close(copy.deepcopy(reduced)(images), reduced(images), rtol=0, atol=0)
    torch.testing.assert_close(deploy(reduced)(images), reduced(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ON)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_finite_logits_and_nearly_the_same_counts(method, dtype, make_vit, images):
    reduced = reduce_tokens(make_vit(), method, **ON[method])
    with torch.no_grad():
        exact = reduced.run(images)
        half = copy.deepcopy(reduced).to(dtype).run(images.to(dtype))
        half_masked = copy.deepcopy(reduced).to(dtype)
        half_masked.reducer.train()
        assert half_masked(images.to(dtype)).isfinite().all()
    assert half.logits.isfinite().all()
    assert (half.counts()[1] - exact.counts()[1]).abs().mean() < 1


@pytest.mark.parametrize("method", ON)
def test_the_same_images_give_the_same_logits_twice(method, vit, images):
    reduced = reduce_tokens(vit, method, **ON[method])
    assert reduced(images).equal(reduced(images))


@pytest.mark.parametrize("method", ON)
@pytest.mark.parametrize("size", [(8, 12), (4, 8), (4, 4)])
def test_few_tokens_and_images_that_are_not_square_are_fine(method, size, make_vit):
    reduced = reduce_tokens(make_vit(img_size=size), method, **ON[method])
    assert reduced(torch.randn(2, 3, *size)).shape == (2, 10)


def test_a_graph_of_fixed_shapes_compiles_whole(vit, images):
    dynamic = reduce_tokens(vit, "ltmp", **ON["ltmp"])
    reduced = make_static(dynamic, calibrate(dynamic, [images]))
    with torch.no_grad():
        graph = torch.compile(reduced, backend="eager", fullgraph=True)
        torch.testing.assert_close(graph(images[:1]), reduced(images[:1]))


def test_gradients_reach_the_backbone_through_every_method(vit, images):
    for method, options in ON.items():
        vit.zero_grad()
        reduced = reduce_tokens(vit, method, **options).train()
        reduced.loss(images, torch.arange(4), nn.functional.cross_entropy).backward()
        assert all(block.attn.qkv.weight.grad.abs().sum() > 0 for block in vit.blocks), method


def test_what_does_not_decay_in_the_plain_model_does_not_decay_in_a_reduced_one(make_vit):
    backbone = make_vit()
    reduced = reduce_tokens(backbone, "tome", r=2)
    assert {"backbone.pos_embed", "backbone.cls_token"} <= reduced.no_weight_decay()
