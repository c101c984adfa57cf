"""Token Cropr: schedules, scores, what only training has, and the published parameter counts."""

from __future__ import annotations

import math

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from blockfront.blocks import deploy
from blockfront.blocks.tokens import reduce_tokens
from blockfront.blocks.tokens.cropr import AuxiliaryHead


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_vit_large_has_the_published_parameters():
    with torch.device("meta"):
        vit = timm.create_model("vit_large_patch16_224", global_pool="avg")
        trained = reduce_tokens(vit, "cropr", r=8)
        assert _parameters(vit) == 304_326_632
        assert _parameters(trained) == 511_651_288
        assert _parameters(reduce_tokens(vit, "cropr", r=8, auxiliary=False)) == 304_349_160
        for module in trained.reducer.scorers:
            module.reparameterize()
        assert _parameters(trained) == 304_349_160


@pytest.mark.parametrize(
    ("model", "r", "options", "expected"),
    [
        ("vit_large_patch16_224", 8, {}, [197, *range(188, 19, -8), 197]),
        ("vit_large_patch16_224", 8, {"fusion": False}, [197, *range(188, 11, -8)]),
    ],
)
def test_the_schedules_are_the_papers(model, r, options, expected):
    with torch.device("meta"):
        reducer = reduce_tokens(timm.create_model(model), "cropr", r=r, auxiliary=False, **options).reducer
    lengths = reducer.counts(expected[0])[0]
    assert lengths[: len(expected) - 1] == expected[:-1]
    assert lengths[-1] == expected[-1]


def test_the_tokens_with_the_highest_products_stay_and_all_come_back(vit, images):
    reduced = reduce_tokens(vit, "cropr", r=20)
    with torch.no_grad():
        tokens = reduced.finish(0, reduced.attend(0, reduced.embed(images, trace_sources=True))[0])
        before = vit.blocks[0](vit._pos_embed(vit.patch_embed(images)))
        query = reduced.reducer.scorers[0].queries[0]
        run = reduced.run(images, trace_sources=True)
    expected = (before[:, 1:] @ query).topk(43).indices + 1
    assert tokens.length == 44
    for source, positions in zip(tokens.source, expected, strict=True):
        assert set(source.argmax(-1).tolist()) == {0, *positions.tolist()}
    assert run.tokens.source.sum(1).equal(torch.ones(4, 65)), "kept and pruned are all tokens, each once"


def test_an_image_with_its_patches_in_another_order_gets_the_same_logits(make_vit, images):
    vit = make_vit(pos_embed="none")
    reduced = reduce_tokens(vit, "cropr", r=10)
    shuffled = images.unfold(2, 4, 4).unfold(3, 4, 4).flatten(2, 3)[:, :, torch.randperm(64)]
    shuffled = shuffled.reshape(4, 3, 8, 8, 4, 4).permute(0, 1, 2, 4, 3, 5).reshape(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(reduced(shuffled), reduced(images), rtol=1e-4, atol=1e-5)


def test_many_queries_cost_what_their_sum_does(vit):
    reduced = reduce_tokens(vit, "cropr", r=5, queries=7)
    module = reduced.reducer.scorers[0]
    x = torch.randn(2, 65, 48)
    torch.testing.assert_close(module.score(x), (module.queries @ x.transpose(1, 2)).sum(1))
    x_scores = module.score(x)
    module.reparameterize()
    assert module.queries.shape == (1, 48)
    torch.testing.assert_close(module.score(x), x_scores)


def test_the_auxiliary_head_is_cross_attention_mlp_and_classifier():
    head = AuxiliaryHead(48, 10)
    queries, x = torch.randn(1, 48), torch.randn(2, 20, 48)
    mixed = F.scaled_dot_product_attention(queries.expand(2, 1, 48), x, x, scale=1 / math.sqrt(48))
    mixed = mixed + head.mlp[2](F.gelu(head.mlp[0](head.norm(mixed))))
    torch.testing.assert_close(head(queries, x), head.head(head.head_norm(mixed))[:, 0])


def test_auxiliary_losses_teach_the_queries_and_nothing_else_does(vit, images):
    reduced = reduce_tokens(vit, "cropr", r=10).train()
    labels = torch.arange(4)
    run = reduced.run(images)
    assert len(run.auxiliary) == 2
    sum(F.cross_entropy(logits, labels) for logits in run.auxiliary).backward()
    assert all(parameter.grad is None for parameter in vit.parameters())
    assert all(module.queries.grad.abs().sum() > 0 for module in reduced.reducer.scorers)
    reduced.zero_grad()
    F.cross_entropy(reduced(images), labels).backward()
    assert all(module.queries.grad is None for module in reduced.reducer.scorers)
    total = F.cross_entropy(run.logits, labels) + sum(F.cross_entropy(logits, labels) for logits in run.auxiliary)
    assert reduced.loss(images, labels, F.cross_entropy).item() == pytest.approx(total.item())


def test_training_evaluation_and_deployment_give_the_same_logits(vit, images):
    reduced = reduce_tokens(vit, "cropr", r=10, queries=3)
    with torch.no_grad():
        evaluated = reduced.eval().run(images)
        assert reduced.train()(images).equal(evaluated.logits)
    assert evaluated.auxiliary == ()
    torch.testing.assert_close(deploy(reduced)(images), evaluated.logits)
    assert reduced.reducer.scorers[0].auxiliary is not None, "deploying copies"


def test_a_network_without_heads_takes_a_trained_ones_state(vit, make_vit, images):
    trained = reduce_tokens(vit, "cropr", r=10)
    bare = reduce_tokens(make_vit(), "cropr", r=10, auxiliary=False)
    missing, left_over = bare.load_state_dict(trained.state_dict(), strict=False)
    assert not missing
    assert all(".auxiliary." in name for name in left_over)
    assert bare(images).equal(trained.eval()(images))
