"""Orders of dimensions in a `.tflite` file, against NumPy's own reshapes and transposes."""

from itertools import permutations

import numpy as np
import pytest

from blockfront.targets.latency.ethos.storing import merged, reshaped, same_storage, stored

RESHAPES = (
    *(
        ((1, 12, 4, 5), (1, 3, 4, 4, 5)),
        ((1, 3, 4, 4, 5), (1, 12, 4, 5)),
        ((1, 8, 1, 1), (1, 8)),
        ((1, 8, 2, 3), (1, 48)),
    ),
    *(((6,), (1, 2, 3)), ((2, 6), (2, 1, 6, 1)), ((1, 1, 6), (6,)), ((4, 6), (8, 3))),
)


@pytest.mark.parametrize(("before", "after"), RESHAPES)
def test_a_reshape_from_any_order_holds_what_numpys_holds(before, after):
    values = np.arange(np.prod(before)).reshape(before)
    for order in permutations(range(len(before))):
        needed, new = reshaped(before, after, order)
        extents, permutation = merged(before, order, needed)
        turned = values.transpose(order).reshape(extents).transpose(permutation).reshape(stored(before, needed))
        assert (turned == values.transpose(needed)).all()
        assert (turned.reshape(stored(after, new)) == values.reshape(after).transpose(new)).all()


def test_a_channel_shuffle_of_a_stored_image_transposes_two_dimensions_of_three():
    """Groups and what is in each, beside all pixels as one."""
    image, apart = (1, 12, 4, 5), (1, 4, 3, 4, 5)
    needed, _ = reshaped(apart, image, (0, 3, 4, 2, 1))
    assert merged(apart, (0, 3, 4, 2, 1), needed) == ([20, 3, 4], [0, 2, 1])


def test_dimensions_of_one_do_not_count():
    assert same_storage((1, 8, 1, 1), (0, 2, 3, 1), (0, 1, 2, 3))
    assert not same_storage((1, 8, 1, 2), (0, 2, 3, 1), (0, 1, 2, 3))
