"""Slots, what heads cost without some of them, and the configurations that were published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.anchors import RETINANET, SSD300, HeadCosts, Slots
from blockfront.anchors.head_costs import ORDERS, retinanet, ssd300
from blockfront.errors import UsageError

PUBLISHED = {
    "baseline": (8732, 4_231_319_040, 4231, (4, 6, 6, 6, 4, 4)),
    "A": (7814, 3_607_764_480, 3607, (4, 4, 5, 3, 2, 1)),
    "B": (4926, 2_476_592_640, 2476, (2, 4, 5, 3, 2, 1)),
    "C": (3121, 1_628_213_760, 1628, (1, 3, 5, 3, 2, 1)),
    "D": (1291, 774_938_880, 774, (0, 2, 5, 2, 2, 1)),
}
"""Boxes, multiply-adds of the head, the published millions, which are cut and not rounded, and slots a level."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_ssd300_heads_have_their_boxes_and_multiply_adds(name: str) -> None:
    boxes, macs, millions, counts = PUBLISHED[name]
    head, removed = ssd300(), SSD300[name]
    assert (head.boxes(removed), head.macs(removed)) == (boxes, macs)
    assert head.macs(removed) // 1_000_000 == millions
    assert tuple(map(len, head.slots.kept(removed))) == counts


def test_on_voc_the_head_is_smaller_in_proportion() -> None:
    found = [ssd300(25).macs(SSD300[name]) / 1e6 for name in PUBLISHED]
    assert found == pytest.approx([1244.506, 1061.107, 728.410, 478.886, 227.923], abs=1e-3)


def test_a_c_and_d_are_nested_and_b_is_not() -> None:
    assert SSD300["A"] < SSD300["C"] < SSD300["D"]
    assert not SSD300["A"] <= SSD300["B"]


@pytest.mark.parametrize(
    ("size", "name", "macs", "boxes"),
    [
        ((300, 300), "baseline", 12_526_746_624, None),
        ((300, 300), "pruned", 3_102_105_600, None),
        ((800, 1200), "baseline", 129_318_147_072, 180_153),
        ((800, 1200), "pruned", 31_440_936_960, 40_136),
    ],
)
def test_published_retinanet_heads_have_their_multiply_adds(
    size: tuple[int, int], name: str, macs: int, boxes: int | None
) -> None:
    head, removed = retinanet(*size), RETINANET[name]
    assert head.macs(removed) == macs
    assert boxes in (None, head.boxes(removed))


def test_the_head_of_ssdlite_320_has_its_multiply_adds() -> None:
    head = HeadCosts.separable((20, 10, 5, 3, 2, 1), (96, 1280, 512, 256, 256, 128), (6,) * 6, 85)
    assert (head.boxes(), head.macs()) == (3234, 96_442_368)


@given(st.sets(st.integers(0, 29)))
def test_slots_and_what_is_kept_of_them_say_the_same(removed: set[int]) -> None:
    slots = ssd300().slots
    assert slots.removed(slots.kept(removed)) == removed
    kept = sum(map(len, slots.kept(removed)))
    assert kept == 30 - len(removed)
    if kept > 1:
        children = slots.children(frozenset(removed), "slot")
        assert len(children) == kept
        assert all(len(child) == len(removed) + 1 for child in children)


def test_children_of_shared_layers_lack_a_place_of_all_levels_or_a_level() -> None:
    slots = Slots((3, 3, 3))
    first = slots.children(frozenset(), "shared")
    assert first == [frozenset({place, 3 + place, 6 + place}) for place in range(3)] + [
        frozenset(range(start, start + 3)) for start in (0, 3, 6)
    ]
    removed = frozenset({0, 1, 2, 4, 7})
    again = slots.children(removed, "shared")
    assert again == [removed | {3, 6}, removed | {5, 8}, removed | {3, 5}, removed | {6, 8}]
    last = frozenset(range(6)) | {6, 7}
    assert slots.children(last, "shared") == []


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_of_slots_has_every_slot_once(order: str) -> None:
    for count, places in ORDERS[order].items():
        assert sorted(places) == list(range(count))


def test_the_order_of_torchvision_has_its_ratios() -> None:
    """Heights over widths and sizes of torchvision's default boxes, by the published slots that they are."""
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator

    ratios = DefaultBoxGenerator([[2], [2, 3]])._wh_pairs
    published = [(1, 1), (1, 2), (1, 3), (1, 1 / 2), (1, 1 / 3), (0, 1)]
    for pairs, count in zip(ratios, (4, 6), strict=True):
        own = [published[slot] for slot in ((0, 1, 3, 5) if count == 4 else range(6))]
        for place, slot in enumerate(ORDERS["torchvision"][count]):
            width, height = (float(one) for one in pairs[place])
            square, ratio = own[slot]
            assert height / width == pytest.approx(ratio)
            assert (place == 1) == (square == 0)


@pytest.mark.parametrize(("counts", "removed"), [((), ()), ((0, 0), ()), ((2, 2), (4,)), ((2, 2), (-1,))])
def test_slots_that_there_are_not_are_refused(counts: tuple[int, ...], removed: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="slot"):
        Slots(counts).check(removed)
