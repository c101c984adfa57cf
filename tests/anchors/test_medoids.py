"""Anchors from the data's boxes, beside all choices where these can be tried."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.anchors import choose_medoids, fit_head, mean_overlap, pruned_network, shape_distances, slots_of
from blockfront.design_space import DetectionNetwork, DetectorHead, Network
from blockfront.errors import UsageError

SIDES = st.integers(1, 40).map(lambda side: side / 40)
SHAPES = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=7, unique=True)


def cost(distances: np.ndarray, weights: np.ndarray, chosen: tuple[int, ...]) -> float:
    return float(weights @ distances[:, list(chosen)].min(1))


@given(SHAPES, st.lists(st.integers(1, 9), min_size=7, max_size=7), st.integers(1, 3))
def test_one_medoid_is_the_best_of_all_and_no_exchange_of_one_of_several_is_better(shapes, counts, count):
    distances, weights = shape_distances(np.array(shapes)), np.array(counts[: len(shapes)], dtype=float)
    found = choose_medoids(distances, weights, count)
    assert len(found) == len(set(found)) == min(count, len(shapes))
    reached = cost(distances, weights, found)
    exchanged = [(set(found) - {one}) | {other} for one, other in product(found, range(len(shapes)))]
    alike = [tuple(chosen) for chosen in exchanged if len(chosen) == len(found)]
    choices = list(combinations(range(len(shapes)), len(found))) if len(found) == 1 else alike
    assert reached <= min(cost(distances, weights, chosen) for chosen in choices) + 1e-9


def test_of_shapes_in_groups_the_medoids_are_those_of_trying_all():
    rng = np.random.default_rng(0)
    for _ in range(20):
        centres = np.array([[0.1, 0.1], [0.5, 0.1], [0.1, 0.6]])
        shapes = (centres[:, None] * rng.uniform(0.8, 1.25, (3, 4, 2))).reshape(-1, 2)
        distances, weights = shape_distances(shapes), rng.uniform(1, 3, 12)
        best = min(combinations(range(12), 3), key=lambda chosen: cost(distances, weights, chosen))
        assert choose_medoids(distances, weights, 3) == best


def test_distance_is_that_of_boxes_with_one_centre():
    distances = shape_distances(np.array([[0.2, 0.4], [0.4, 0.2], [0.2, 0.4]]))
    # Of two boxes of 8 parts each 4 are shared.
    np.testing.assert_allclose(
        distances, [[0, 1 - 4 / 12, 0], [1 - 4 / 12, 0, 1 - 4 / 12], [0, 1 - 4 / 12, 0]], atol=1e-12
    )


def test_a_head_has_the_shapes_of_its_levels_objects_and_is_a_head_like_others():
    head = DetectorHead.parse("ssdlite_l2_x8_sabcdef.abcdef.abcdef")
    small, tall = [0.1, 0.1], [0.25, 1.0]
    fitted = fit_head(head, np.array([small] * 5 + [tall] * 3 + [[0.0, 0.5]]), 4)
    # Sides are rounded to a sixteenth of an octave; the middle level, for 0.26 of the image, has no object.
    assert str(fitted) == "ssdlite_l2_x8_s101x101.0.250x1000"
    assert mean_overlap(fitted, np.array([small, tall])) == pytest.approx((0.01 / 0.101**2 + 1) / 2)
    assert DetectorHead.parse(str(fitted)) == fitted
    network = Network.parse("det_32_d2/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16/ssd_l2_s80x120-200x100.a")
    assert isinstance(network, DetectionNetwork)
    assert slots_of(network).counts == (2, 1)
    assert network.head.shapes()[0] == ((0.08, 0.12), (0.2, 0.1))
    assert network.build().anchors.shape == (network.boxes, 4) == (2 * 64 + 16, 4)
    assert str(pruned_network(network, {0}).head) == "ssd_l2_s200x100.a"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("ssd_l1_s200x100-80x120", "not in order of width"),
        ("ssd_l1_s80x120-80x120", "not in order of width"),
        ("ssd_l1_s80x0", "are no shapes of a level"),
        ("retina_l1_f8_s80x120", "are no shapes of a level"),
    ],
)
def test_shapes_that_are_none_are_refused(head: str, reason: str):
    with pytest.raises(UsageError, match=reason):
        DetectorHead.parse(head)


def test_levels_that_share_their_layers_and_no_objects_give_no_shapes():
    with pytest.raises(UsageError, match="share their layers"):
        fit_head(DetectorHead.parse("retina_l1_f8_sabc"), np.ones((1, 2)), 2)
    with pytest.raises(UsageError, match="one object or more"):
        fit_head(DetectorHead.parse("ssd_l1_sabc"), np.zeros((1, 2)), 2)
