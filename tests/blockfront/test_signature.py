"""What a module takes, said and drawn; what it gives, by name."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import pytest
import torch

from blockfront.design_space.image_size import ImageSize
from blockfront.errors import UsageError
from blockfront.signature import Input, Signature, leaves

WORDS = Signature((Input("ids", (1, 7), "int64", below=100), Input("mask", (1, 7), "bool")))
Pair = namedtuple("Pair", "boxes scores")


def test_an_image_is_square_and_in_colour_unless_it_is_said_otherwise():
    assert Signature.image(32).inputs == (Input("image", (1, 3, 32, 32), "float32"),)
    assert Signature.image(24, 40, channels=4).inputs[0].shape == (1, 4, 24, 40)


def test_its_text_is_what_a_reader_needs():
    assert Signature.image(32).size == "32 pixels"
    assert str(Signature.image(32)) == "3x32x32"
    assert Signature.image(32, channels=1).size == "1x32x32"
    assert Signature.image(24, 40).size == "3x24x40"
    assert WORDS.size == "ids 1x7 int64, mask 1x7 bool"
    assert [one.resolution for one in (Signature.image(32, channels=1), Signature.image(24, 40), WORDS)] == [
        *(32, None, None)
    ]


def test_samples_have_the_shapes_types_and_bounds_and_a_seed_draws_the_same():
    ids, mask = WORDS.random(3)
    assert (ids.shape, ids.dtype, mask.dtype) == ((1, 7), torch.int64, torch.bool)
    assert ids.min() >= 0
    assert ids.max() < 100
    assert all(map(torch.equal, WORDS.random(3), (ids, mask)))
    assert not torch.equal(WORDS.random(4)[0], ids)
    (image,) = Signature.image(9, 11, 2).random(5)
    assert torch.equal(image, torch.randn(1, 2, 9, 11, generator=torch.Generator().manual_seed(5)))


def test_zeros_take_no_memory_where_torch_is_told_so():
    with torch.device("meta"):
        assert all(tensor.is_meta for tensor in WORDS.zeros())
    assert [tensor.any().item() for tensor in WORDS.zeros()] == [False, False]


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [((1, 0, 4), "float32", "must be 1 or more"), ((1, 4), "bfloat16", "known: float16, float32")],
)
def test_an_input_that_cannot_be_is_told(shape, dtype, expected):
    with pytest.raises(UsageError, match=expected):
        Input("x", shape, dtype)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (7, {"output": 7}),
        ((7, 8), {"0": 7, "1": 8}),
        ([[7, 8], (9,)], {"0.0": 7, "0.1": 8, "1.0": 9}),
        (OrderedDict(out=7, aux=None), {"out": 7}),
        ({"levels": {1: 7, 2: [8, None, 9]}}, {"levels.1": 7, "levels.2.0": 8, "levels.2.2": 9}),
        (Pair(7, {"car": 8}), {"boxes": 7, "scores.car": 8}),
        (None, {}),
    ],
)
def test_outputs_are_named_for_where_they_stand(returned, expected):
    assert dict(leaves(returned)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((None, None, None), (3, 20, 30)),
        ((64, None, None), (3, 64, 64)),
        ((None, "64x96", None), (3, 64, 96)),
        ((None, "64×96", 4), (4, 64, 96)),
        ((None, "1x64x96", None), (1, 64, 96)),
        ((None, None, 1), (1, 20, 30)),
        ((64, None, 1), (1, 64, 64)),
    ],
)
def test_what_is_not_asked_for_is_the_models_own(options, expected):
    assert ImageSize.asked(*options).of(Signature.image(20, 30)).inputs[0].shape == (1, *expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((0, None, None), "--resolution must be 1 or more"),
        ((None, None, -1), "--channels must be 1 or more"),
        ((None, "64", None), "'64' is no size"),
        ((None, "1x2x3x4", None), "is no size"),
        ((None, "0x64", None), "is no size"),
        ((None, "64x96pixels", None), "is no size"),
        ((64, "64x96", None), "leave --resolution out"),
        ((None, "1x64x96", 1), "leave --channels out"),
    ],
)
def test_what_is_no_size_is_told(options, expected):
    with pytest.raises(UsageError, match=expected):
        ImageSize.asked(*options)


def test_what_is_no_image_has_no_other_size():
    assert ImageSize().of(WORDS) == WORDS
    with pytest.raises(UsageError, match="the model takes ids 1x7 int64, mask 1x7 bool"):
        ImageSize(channels=1).of(WORDS)


def test_a_batch_is_as_often_as_much_of_every_input():
    pair = Signature((Input("image", (1, 3, 8, 8)), Input("tokens", (2, 5), "int64")))
    assert [one.shape for one in pair.batched(4).inputs] == [(4, 3, 8, 8), (8, 5)]
    assert pair.batched(1) is pair
    with pytest.raises(UsageError, match="1 or more, not 0"):
        pair.batched(0)
    with pytest.raises(UsageError, match="input step is a single number"):
        Signature((Input("step", ()),)).batched(2)
