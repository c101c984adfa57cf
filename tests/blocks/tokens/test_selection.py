"""Ranks by counting comparisons are those of a stable sort."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from blockfront.blocks.tokens.selection import divide, gather, leading, ranks, top

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=20)


@given(scores, st.data())
def test_the_first_in_descending_order_are_a_stable_sorts(values, data):
    count = data.draw(st.integers(0, len(values)))
    tensor = torch.tensor([values])
    expected = torch.argsort(tensor, descending=True, stable=True)
    assert leading(tensor, count).equal(expected[:, :count])
    assert ranks(tensor).long().gather(1, expected).equal(torch.arange(len(values))[None])


@given(scores, st.data())
def test_the_highest_and_the_others_are_all_tokens_each_in_their_order(values, data):
    count = data.draw(st.integers(0, len(values)))
    chosen, others = (part[0].tolist() for part in divide(torch.tensor([values]), count))
    assert sorted(chosen + others) == list(range(len(values)))
    assert chosen == sorted(chosen)
    assert others == sorted(others)
    assert top(torch.tensor([values]), count)[0].tolist() == chosen
    assert not chosen or not others or min(values[i] for i in chosen) >= max(values[i] for i in others)


def test_scores_that_are_not_numbers_lead_to_no_position_outside():
    broken = torch.full((1, 5), torch.nan)
    assert leading(broken, 5).max() < 5


def test_gathering_takes_the_same_positions_of_vectors_and_numbers():
    positions = torch.tensor([[2, 0], [1, 1]])
    numbers = torch.arange(6.0).reshape(2, 3)
    vectors = torch.stack([numbers, -numbers], dim=-1)
    assert gather(numbers, positions).tolist() == [[2, 0], [4, 4]]
    assert gather(vectors, positions)[..., 1].equal(-gather(numbers, positions))
