"""ToMe's schedules and merges, and its published MACs."""

from __future__ import annotations

import torch

from blockfront.blocks.tokens import reduce_tokens
from blockfront.blocks.tokens.matching import match, merge_most_alike
from blockfront.blocks.tokens.state import Tokens
from blockfront.blocks.tokens.tome import merge_schedule


def test_the_decreasing_schedule_is_the_papers():
    assert merge_schedule(16, -1, 12) == [32, 29, 26, 23, 20, 17, 14, 11, 8, 5, 2, 0]
    assert merge_schedule(16, 1, 12)[0] == 0
    assert merge_schedule(8, 0, 12) == [8] * 12
    assert merge_schedule(8, -1, 1) == [8]


def test_rates_may_be_one_for_all_blocks_or_one_each(vit):
    def left(**options):
        return reduce_tokens(vit, "tome", **options).reducer.counts(65)[1]

    assert left(r=8) == [57, 49, 41, 33]
    assert left(r=(8, 0, 1, 2)) == [57, 57, 56, 54]
    assert left(r=8, inflection=-1.0) == [49, 39, 34, 34]
    assert left(r=100) == [33, 17, 9, 5], "at most half of the patches merge"


def test_a_merged_token_is_the_mean_of_the_image_tokens_it_stands_for(vit):
    """With no layer between, un-merging gives each group's mean."""
    x = torch.randn(2, 65, 48, generator=torch.Generator().manual_seed(0))
    tokens = Tokens(x, source=torch.eye(65).expand(2, -1, -1))
    for rate in (20, 10):
        keys = tokens.x[..., :16]
        tokens, _ = merge_most_alike(tokens, None, match(keys, 1), rate, 1)
    assert tokens.length == 35
    assert tokens.source.sum(1).equal(torch.ones(2, 65)), "every token stands in one place"
    assert tokens.source.sum(2).equal(tokens.size)
    means = tokens.source @ x / tokens.source.sum(2, keepdim=True)
    torch.testing.assert_close(tokens.x, means)
    torch.testing.assert_close((tokens.x * tokens.size.unsqueeze(-1)).sum(1), x.sum(1), rtol=1e-4, atol=1e-4)


def test_the_pairs_merged_are_those_most_alike():
    keys = torch.tensor([[1.0, 1.0], [1, 0], [1, 0.1], [0, 1], [0.4, 1], [-1, 0], [-1, 0.02]])[None]
    tokens = Tokens(torch.arange(7.0)[None, :, None])
    matches = match(keys, 1)
    assert matches.partner.tolist() == [[0, 1, 2]]
    merged, importance = merge_most_alike(tokens, torch.tensor([[9.0, 1, 5, 1, 6, 1, 0]]), matches, 2, 1)
    assert merged.x[0, :, 0].tolist() == [0, 4, 1.5, 3, 5.5]
    assert merged.size.tolist() == [[1, 1, 2, 1, 2]]
    assert importance.tolist() == [[9, 6, 5, 1, 1]], "the more important of two"


def test_of_equal_destinations_the_first_is_chosen():
    assert match(torch.ones(1, 9, 4), 1).partner.tolist() == [[0, 0, 0, 0]]


def test_a_block_that_merges_nothing_leaves_the_order(vit, images):
    reduced = reduce_tokens(vit, "tome", r=0)
    with torch.no_grad():
        torch.testing.assert_close(
            vit.norm(reduced.run(images).tokens.x), vit.forward_features(images), rtol=1e-5, atol=1e-5
        )


def test_attention_without_proportion_counts_a_merged_token_once(vit, images):
    with torch.no_grad():
        logits = [reduce_tokens(vit, "tome", r=8, proportional=on)(images) for on in (True, False)]
    assert (logits[0] - logits[1]).abs().max() > 0.01
