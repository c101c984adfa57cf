"""Pruning by attention and at random."""

from __future__ import annotations

import pytest
import torch

from blockfront.blocks.tokens import reduce_tokens


def test_evit_keeps_what_the_class_token_attends_to_and_fuses_the_rest(vit, images):
    reduced = reduce_tokens(vit, "evit", keep=0.5)
    assert reduced.reducer.places == [1, 2, 3]
    with torch.no_grad():
        first = vit.blocks[0](vit._pos_embed(vit.patch_embed(images)))
        block = vit.blocks[1]
        qkv = block.attn.qkv(block.norm1(first)).reshape(4, 65, 3, 3, 16).permute(2, 0, 3, 1, 4)
        weights = (qkv[0] @ qkv[1].transpose(-1, -2) / 4).softmax(-1)
        attention = weights[:, :, 0, 1:].mean(1)
        after = first + block.attn(block.norm1(first))
        tokens = reduced.finish(0, reduced.attend(0, reduced.embed(images))[0])
        left = reduced.reducer.between(1, *reduced.attend(1, tokens))
    kept = attention.topk(32).indices.sort().values
    for image in range(4):
        torch.testing.assert_close(left.x[image, 1:33], after[image, 1 + kept[image]])
        rest = [i for i in range(64) if i not in kept[image].tolist()]
        share = attention[image, rest] / attention[image, rest].sum()
        torch.testing.assert_close(left.x[image, 33], (share[:, None] * after[image, 1:][rest]).sum(0))


def test_evit_at_the_papers_places_and_rates_leaves_its_tokens(make_vit):
    vit = make_vit(depth=12)
    reduced = reduce_tokens(vit, "evit", keep=0.7, fuse=False)
    assert reduced.reducer.places == [3, 6, 9]
    assert sorted(set(reduced.reducer.counts(197)[1])) == [1 + 68, 1 + 97, 1 + 138, 197]


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_traced_network_keeps_as_many_tokens_where_float32_would_round_their_number(vit, images):
    # 32 patches and a little are 33; what exports to ONNX traces.
    reduced = reduce_tokens(vit, "evit", keep=0.5 + 1e-12)
    assert reduced.reducer.counts(65)[1][1] == 1 + 33 + 1
    with torch.no_grad():
        traced = torch.jit.trace(reduced, images, check_trace=False)
        torch.testing.assert_close(traced(images), reduced(images))


def test_random_pruning_differs_by_image_in_training_and_by_seed_otherwise(vit, images):
    def kept(seed, training=False):
        reduced = reduce_tokens(vit, "random", r=10, seed=seed).train(training)
        return reduced.run(images, trace_sources=True).tokens.source.sum(1)

    assert kept(0).equal(kept(0))
    assert not kept(0).equal(kept(1))
    assert (kept(0) == kept(0)[:1]).all()
    assert (kept(0).sum(1) == 25).all()
    assert not (kept(0, training=True) == kept(0, training=True)[:1]).all()
