"""Outputs of every patch: features restored to the image's order, whatever tokens merged or were taken out."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from blockfront.blocks import deploy
from blockfront.blocks.tokens import (
    METHODS,
    PatchSegmenter,
    Tokens,
    calibrate,
    calibrate_capacity,
    learn_thresholds,
    make_static,
    reduce_tokens,
)
from blockfront.blocks.tokens.places import Places
from blockfront.blocks.tokens.selection import places_of
from blockfront.errors import UsageError

CASES = {
    "tome": ("tome", {"r": 9}),
    "tome to the last": ("tome", {"r": 100}),
    "ltmp": ("ltmp", {"merge_threshold": 0.5, "prune_threshold": 0.013}),
    "ltmp merging alone": ("ltmp", {"variant": "merge", "merge_threshold": 0.3}),
    "ltmp pruning first": ("ltmp", {"variant": "prune-merge", "merge_threshold": 0.5, "prune_threshold": 0.013}),
    "evit": ("evit", {"keep": 0.6}),
    **{
        f"{method} {fusion}": (method, {**options, "fusion": fusion})
        for method, options in {"evit": {"keep": 0.6, "fuse": False}, "random": {"r": 9}, "cropr": {"r": 9}}.items()
        for fusion in ("none", "concat", "last")
    },
}
LOSSLESS = {"tome", "tome to the last", "ltmp merging alone", "evit", *(name for name in CASES if "none" not in name)}
LOSSLESS -= {"ltmp", "ltmp pruning first"}


@pytest.fixture(params=[1, 0, 5], ids=lambda prefix: f"prefix of {prefix}")
def dense(request, make_vit):
    """A backbone without pooling."""
    prefix = request.param
    return make_vit(global_pool="", class_token=prefix > 0, reg_tokens=max(prefix - 1, 0))


def _expected(model, run) -> torch.Tensor:
    """Logits from the matrix that says which tokens each one stands for, and which of them count."""
    x = model.backbone.norm((run.tokens.source * run.tokens.active.unsqueeze(-1)).transpose(1, 2) @ run.tokens.x)
    return model.backbone.head(x)


def test_every_method_is_covered_here():
    assert {method for method, _ in CASES.values()} == set(METHODS)


@pytest.mark.parametrize("case", CASES)
def test_every_token_gets_the_features_of_the_one_it_is_in(case, dense, images):
    method, options = CASES[case]
    reduced = reduce_tokens(dense, method, **options)
    prefix, total = dense.num_prefix_tokens, 64 + dense.num_prefix_tokens
    with torch.no_grad():
        for training in (False, True):
            reduced.reducer.train(training)
            run = reduced.run(images, trace_sources=True)
            source = run.tokens.source * run.tokens.active.unsqueeze(-1)
            assert run.logits.shape == (4, total, 10)
            torch.testing.assert_close(run.logits, _expected(reduced, run), rtol=1e-4, atol=1e-5)
            assert source.sum(1).max() == 1
            assert (source.sum(1) == 1).all() == (case in LOSSLESS)
            assert (source.sum(1)[:, :prefix] == 1).all()


@pytest.mark.parametrize("bounded", [False, True])
def test_sequences_that_are_filled_up_leave_zeros_where_nothing_is(bounded, make_vit, images):
    dynamic = reduce_tokens(make_vit(global_pool=""), *CASES["ltmp"][:1], **CASES["ltmp"][1])
    plan = calibrate_capacity(dynamic, [images], quantile=0.5) if bounded else calibrate(dynamic, [images])
    static = make_static(dynamic, plan)
    with torch.no_grad():
        run = static.run(images, trace_sources=True)
    assert (run.tokens.mask is not None) == bounded
    torch.testing.assert_close(run.logits, _expected(static, run), rtol=1e-4, atol=1e-5)
    lost = (run.tokens.source * run.tokens.active.unsqueeze(-1)).sum(1) == 0
    nothing = static.backbone.head(static.backbone.norm(torch.zeros(48)))
    assert lost.any()
    torch.testing.assert_close(run.logits[lost], nothing.expand(int(lost.sum()), -1))


@pytest.mark.parametrize("off", [{"tome": {"r": 0}}, {"cropr": {"target": 1.0}}, {"random": {"r": 0}}], ids=str)
def test_where_nothing_is_taken_out_the_plain_logits_of_all_tokens_stay(off, dense, images):
    ((method, options),) = off.items()
    with torch.no_grad():
        torch.testing.assert_close(reduce_tokens(dense, method, **options)(images), dense(images))


@pytest.mark.parametrize("fusion", ["none", "concat", "last"])
def test_tokens_come_back_where_they_were_before_the_last_block_or_after_it(fusion, make_vit, images):
    vit = make_vit(global_pool="")
    reduced = reduce_tokens(vit, "cropr", r=9, fusion=fusion)
    features, where = torch.zeros(4, 65, 48), torch.arange(65).expand(4, -1)

    def put(x: torch.Tensor, places: torch.Tensor) -> None:
        features.scatter_(1, places[..., None].expand(-1, -1, 48), x)

    with torch.no_grad():
        x = vit._pos_embed(vit.patch_embed(images))
        for index, block in enumerate(vit.blocks):
            if fusion == "last" and index == 3:
                put(x, where)
                x, where = features.clone(), torch.arange(65).expand(4, -1)
            x = block(x)
            if index < (2 if fusion == "last" else 3):
                scores = x @ reduced.reducer.scorers[index].queries.sum(0)
                scores[:, 0] = torch.inf
                order = scores.argsort(descending=True)  # tokens stand by score then, which attention does not see
                x, where = (value.gather(1, order[..., None].expand_as(value)) for value in (x, where[..., None]))
                left = x.shape[1] - (10 if index == 0 else 9)
                if fusion != "none":
                    put(x[:, left:], where[:, left:, 0])
                x, where = x[:, :left], where[:, :left, 0]
        put(x, where)
        # What is lost has no features, and the head says of it what it says of none.
        torch.testing.assert_close(reduced(images), vit.head(vit.norm(features)), rtol=1e-4, atol=1e-5)


def test_places_follow_merges_after_tokens_were_taken_out_and_the_reverse():
    image = Places(6).at(torch.tensor([[0, 1, 3, 4, 5]]))
    merged = image.moved(torch.tensor([[0, 1, 2, 1, 3]]), 4)
    assert merged.now.tolist() == [[0, 1, -1, 2, 1, 3]]
    left = merged.at(torch.tensor([[1, 3]]))
    assert left.now.tolist() == [[-1, 0, -1, -1, 0, 1]]
    x = torch.tensor([[[3.0], [5.0]]])
    assert left.restore(x).flatten().tolist() == [0, 3, 0, 0, 3, 5]
    assert left.restore(x, torch.tensor([[1.0, 0.0]])).flatten().tolist() == [0, 3, 0, 0, 3, 0]
    assert places_of(torch.tensor([[4, 0, 2]]), 5).tolist() == [[1, -1, 2, -1, 0]]


def test_a_reducer_that_does_not_say_where_tokens_went_is_told_so():
    tokens = Tokens(torch.zeros(1, 3, 8), places=Places(4))
    with pytest.raises(UsageError, match=r"there are 3 tokens and the places of 4: a reducer takes tokens out by Tok"):
        _ = tokens.restored


def test_queries_of_dense_cropr_are_one_a_patch_and_classify_each(make_vit, images):
    reduced = reduce_tokens(make_vit(global_pool=""), "cropr", r=9).train()
    run = reduced.run(images)
    assert [auxiliary.shape for auxiliary in run.auxiliary] == [(4, 64, 10)] * 2
    module = reduced.reducer.scorers[0]
    assert module.queries.shape == (64, 48)
    x = torch.randn(2, 20, 48)
    mixed = F.scaled_dot_product_attention(module.queries.expand(2, -1, -1), x, x, scale=48**-0.5)
    head = module.auxiliary
    mixed = mixed + head.mlp(head.norm(mixed))
    torch.testing.assert_close(head(module.queries, x), head.head(head.head_norm(mixed)))
    logits = reduced.eval()(images)
    deployed = deploy(reduced)
    assert deployed.reducer.scorers[0].queries.shape == (1, 48), "deployed, all queries cost as much as one"
    torch.testing.assert_close(deployed(images), logits, rtol=1e-4, atol=1e-5)


def test_dense_cropr_takes_out_more_tokens_from_epoch_to_epoch_of_its_first_half(make_vit, images):
    reduced = reduce_tokens(make_vit(global_pool=""), "cropr", r=9, fusion="none").train()

    def left(epoch: int, epochs: int) -> int:
        reduced.reducer.begin_epoch(epoch, epochs)
        return reduced.run(images).tokens.length

    assert [65 - left(epoch, 8) for epoch in range(8)] == [0, 3 * 3, 6 * 3, *[28] * 5]
    assert [left(epoch, 3) for epoch in range(3)] == [65, 37, 37]
    assert left(0, 1) == 37, "no half to rise in"
    reduced.reducer.begin_epoch(0, 8)
    assert reduced.eval().run(images).tokens.length == 37, "only while training"
    classifier = reduce_tokens(make_vit(), "cropr", r=9, fusion="none").train()
    classifier.reducer.begin_epoch(0, 8)
    assert classifier.run(images).tokens.length == 37, "networks that classify train as they always did"


@pytest.mark.parametrize("method", ["cropr", "random", "evit"])
def test_a_fusion_that_there_is_none_of_is_refused(method, make_vit):
    with pytest.raises(UsageError, match=f"fusion of {method} is one of none, concat, last, not 'sum'"):
        reduce_tokens(make_vit(), method, target=0.7, fusion="sum")


def test_gradients_reach_thresholds_and_backbone_through_every_patch(make_vit, images):
    for method, options in CASES.values():
        reduced = reduce_tokens(make_vit(global_pool=""), method, **options).train()
        nn.functional.mse_loss(reduced(images), torch.ones(4, 65, 10)).backward()
        assert all(block.attn.qkv.weight.grad.abs().sum() > 0 for block in reduced.backbone.blocks), method


@pytest.fixture
def masks() -> torch.Tensor:
    """Labels of 10 classes, (4, 32, 32), with some to be ignored."""
    labels = torch.randint(10, (4, 32, 32), generator=torch.Generator().manual_seed(3))
    labels[:, :3] = 255
    return labels


def test_a_segmenter_enlarges_the_logits_of_patches(make_vit, images):
    vit = make_vit(global_pool="")
    with torch.no_grad():
        patches = vit(images)[:, 1:].transpose(1, 2).reshape(4, 10, 8, 8)
        expected = F.interpolate(patches, scale_factor=4, mode="bilinear")
        torch.testing.assert_close(PatchSegmenter.of(vit)(images), expected)
        segmenter = PatchSegmenter.of(reduce_tokens(vit, "cropr", r=9))
        assert segmenter(images).shape == (4, 10, 32, 32)
        torch.testing.assert_close(segmenter.unreduced(images), expected)


def test_auxiliary_heads_learn_the_labels_of_the_first_pixels_of_patches(make_vit, images, masks):
    segmenter = PatchSegmenter.of(reduce_tokens(make_vit(global_pool=""), "cropr", r=9)).train()

    def criterion(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, labels, ignore_index=255)

    run = segmenter.run(images)
    expected = F.cross_entropy(run.logits, masks, ignore_index=255)
    for logits in run.auxiliary:
        labels = torch.stack([masks[:, 4 * row, 4 * column] for row in range(8) for column in range(8)], dim=1)
        expected = expected + F.cross_entropy(logits.flatten(2), labels, ignore_index=255)
    assert len(run.auxiliary) == 2
    torch.testing.assert_close(segmenter.loss(images, masks, criterion), expected)


def test_thresholds_learn_from_every_pixel_and_become_counts(make_vit, images, masks):
    segmenter = PatchSegmenter.of(reduce_tokens(make_vit(global_pool=""), "ltmp", variant="merge", target=0.6))
    before = segmenter.reducer.merge_thresholds.clone()
    learn_thresholds(segmenter, [(images, masks)] * 2, criterion=nn.CrossEntropyLoss(ignore_index=255))
    assert (segmenter.reducer.merge_thresholds != before).all()
    static = make_static(segmenter, calibrate(segmenter, [images]))
    assert isinstance(static, PatchSegmenter)
    assert static(images).shape == (4, 10, 32, 32)
