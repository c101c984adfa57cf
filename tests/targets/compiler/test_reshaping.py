import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blockfront.targets.compiler.importing.reshaping import identity, reshape_plan


def apply_plan(logical, new, order):
    """Store `logical` in `order`, follow the plan, and return the result in logical order."""
    plan = reshape_plan(logical.shape, new, order)
    stored = logical.transpose(plan.before)
    reshaped = stored.reshape([new[dimension] for dimension in plan.after])
    return reshaped.transpose([plan.after.index(dimension) for dimension in range(len(new))])


@st.composite
def reshapes(draw):
    old = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    factors = [p for extent in old for p in _primes(extent)]
    new = draw(st.lists(st.integers(0, 3), min_size=len(factors), max_size=len(factors)))
    shape = [1, 1, 1, 1]
    last = 0
    for factor, slot in zip(factors, new, strict=True):
        last = max(last, slot)
        shape[last] *= factor
    order = draw(st.permutations(range(len(old))))
    return tuple(old), tuple(shape), tuple(order)


def _primes(value):
    found, divisor = [], 2
    while value > 1:
        while value % divisor == 0:
            found.append(divisor)
            value //= divisor
        divisor += 1
    return found


@given(reshapes())
def test_a_planned_reshape_equals_numpys_whatever_the_stored_order(case):
    old, new, order = case
    logical = np.arange(math.prod(old)).reshape(old)
    assert np.array_equal(apply_plan(logical, new, order), logical.reshape(new))


def test_flattening_the_pixels_of_a_channels_last_image_moves_nothing():
    plan = reshape_plan((1, 192, 14, 14), (1, 192, 196), (0, 2, 3, 1))
    assert plan.before == (0, 2, 3, 1)
    assert plan.after == (0, 2, 1)


def test_a_channel_shuffle_permutes_only_the_two_halves_of_the_channels():
    split = reshape_plan((1, 8, 4, 4), (1, 2, 4, 4, 4), (0, 2, 3, 1))
    assert split.before == (0, 2, 3, 1)
    assert split.after == (0, 3, 4, 1, 2)
    # after torch's transpose(1, 2) the stored order is (0, 3, 4, 2, 1); merging needs the halves exchanged
    merge = reshape_plan((1, 4, 2, 4, 4), (1, 8, 4, 4), (0, 3, 4, 2, 1))
    assert merge.before == (0, 3, 4, 1, 2)
    assert merge.after == (0, 2, 3, 1)


def test_identity_is_torchs_own_order():
    assert identity(4) == (0, 1, 2, 3)
