"""A detector without slots: its layers, and its average precision, which is that of the detector with them masked."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from blockfront.anchors import SlotScores, deal_halves, prune_detector, record_boxes
from blockfront.anchors.pruning import pruned_network, slot_of_rows, slots_of
from blockfront.anchors.recorded import RecordedBoxes
from blockfront.design_space import AnchorNetwork, Network
from blockfront.errors import UsageError
from blockfront.tasks import TASKS
from blockfront.tasks.detection_scores import BoxScores
from blockfront.tasks.suppression import Limits
from blockfront.training import seeded

BODY = "det_32_d2/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16"
REMOVALS = {
    "ssd_l2_x8_sabc.abd.ab": [{0}, {1, 4}, {0, 1, 2}, {0, 2, 6, 7}, {3, 4, 5, 6, 7}],
    "ssdlite_l2_f8_x8_sabc.abd.ab": [{0}, {1, 4}, {0, 1, 2}, {0, 2, 6, 7}, {0, 1, 2, 6, 7}],
    "retina_l2_f8_x8_t1_sabc.abc.abc": [{0, 3, 6}, {0, 1, 2}, {0, 1, 2, 4, 7}, {3, 4, 5, 6, 7, 8}],
}
CASES = [(head, frozenset(removed)) for head, all_of in REMOVALS.items() for removed in all_of]


def detector(head: str) -> tuple[AnchorNetwork, torch.nn.Module]:
    network = Network.parse(f"{BODY}/{head}")
    assert isinstance(network, AnchorNetwork)
    with seeded(0):
        module = network.build().eval()
        for name, parameter in module.named_parameters():
            # Scores and boxes of a new head would be all alike.
            if name.startswith(("head.own", "head.shared")):
                torch.nn.init.normal_(parameter, std=0.3)
    return network, module


@pytest.mark.parametrize(("head", "removed"), CASES)
def test_a_sliced_head_gives_the_rows_of_the_whole_one(head: str, removed: frozenset[int]) -> None:
    network, module = detector(head)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    pruned = prune_detector(network, module, removed)
    left = torch.from_numpy(~np.isin(slot_of_rows(network), sorted(removed)))
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        whole, sliced = (one.double()(image) for one in (module, pruned))
    for full, own in ((whole.logits, sliced.logits), (whole.deltas, sliced.deltas)):
        torch.testing.assert_close(own, full[:, left], rtol=0, atol=1e-12)
    assert torch.equal(sliced.anchors.float(), network.build().anchors[left])
    spec = pruned_network(network, removed)
    assert sliced.anchors.shape[0] == spec.boxes
    assert (spec.cost.head_macs or 0) < (network.cost.head_macs or 0)
    after = module.float().state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("head", REMOVALS)
def test_removing_nothing_changes_nothing_and_removing_twice_is_removing_both(head: str) -> None:
    network, module = detector(head)
    same = prune_detector(network, module, ())
    assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in module.state_dict().items())
    first, both = ({0, 3, 6}, {0, 3, 6, 1, 4, 7}) if head.startswith("retina") else ({0, 3}, {0, 3, 1})
    once = pruned_network(network, first)
    # In the smaller head the slots that were 1, and of retina 4 and 7, have the places before.
    second = {0, 2, 4} if head.startswith("retina") else {0}
    twice = prune_detector(once, prune_detector(network, module, first), second)
    direct = prune_detector(network, module, both).state_dict()
    assert pruned_network(once, second) == pruned_network(network, both)
    assert all(torch.equal(tensor, direct[name]) for name, tensor in twice.state_dict().items())


def test_a_pruned_detector_with_an_empty_level_trains() -> None:
    network, module = detector("ssdlite_l2_f8_x8_sabc.abd.ab")
    pruned = prune_detector(network, module, {0, 1, 2}).train()
    targets = TASKS["detection"].targets([[[-1, 0, 0, 1, 1, 1024, 0], [1, 0.1, 0.1, 0.6, 0.6, 256, 0]]] * 2, 2)
    loss = TASKS["detection"].loss(pruned(torch.randn(2, 3, 32, 32)), targets, 0.0)
    loss.backward()
    assert all(parameter.grad is not None for parameter in pruned.parameters())


def test_what_a_head_cannot_be_without_is_refused() -> None:
    network, module = detector("retina_l2_f8_x8_t1_sabc.abc.abc")
    with pytest.raises(UsageError, match="give all that have slots the same"):
        prune_detector(network, module, {0})
    with pytest.raises(UsageError, match="at least one anchor"):
        pruned_network(network, range(9))
    with pytest.raises(UsageError, match="there is no 9"):
        pruned_network(network, {9})
    other, _ = detector("ssd_l2_x8_sabc.abd.ab")
    with pytest.raises(UsageError, match="the module is none of network"):
        prune_detector(other, module, {0})


def images(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        start = torch.rand(2, 3, 2, generator=generator) * 0.6
        size = 0.2 + 0.2 * torch.rand(2, 3, 2, generator=generator)
        kinds = torch.randint(2, (2, 3, 1), generator=generator).float()
        ignored = (torch.rand(2, 3, 1, generator=generator) < 0.3).float()
        rows = torch.cat([kinds, start, start + size, (size.prod(-1, keepdim=True) * 1024), ignored], -1)
        picture = torch.tensor([-1, 0, 0, 1, 1, 1024.0, 0]).expand(2, 1, 7)
        batches.append((torch.randn(2, 3, 32, 32, generator=generator), torch.cat([picture, rows], 1)))
    return batches


def recorded(head: str, limits: Limits) -> tuple[AnchorNetwork, torch.nn.Module, RecordedBoxes]:
    network, module = detector(head)
    found = record_boxes(module, images(4), slot_of_rows(network), slots_of(network), limits)
    return network, module, found


def test_both_halves_have_objects_where_two_images_have_and_chance_decides_where_it_gives_that() -> None:
    for count in range(2, 9):
        order = np.random.default_rng(0).permutation(count)
        ours, others = deal_halves([True] * count)
        assert ours.tolist() == sorted(order[::2])
        assert others.tolist() == sorted(order[1::2])
        for two in combinations(range(count), 2):
            there = [number in two for number in range(count)]
            halves = deal_halves(there)
            assert [len(half) for half in halves] == [len(ours), len(others)]
            assert sorted(np.concatenate(halves)) == list(range(count))
            assert [sum(there[number] for number in half) for half in halves] == [1, 1]
    with pytest.raises(UsageError, match="two or more need an object that is not ignored, not 1 of 3 test images"):
        deal_halves([False, True, False])


LIMITS = [Limits(threshold=0.1), Limits(threshold=0.1, candidates=40, kept=15), Limits(threshold=0.2, kept=3)]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("head", list(REMOVALS)[:2])
def test_masked_candidates_score_as_the_sliced_detector_does(head: str, limits: Limits) -> None:
    network, module, found = recorded(head, limits)
    scores = SlotScores(found)
    for removed in (frozenset(), *map(frozenset, REMOVALS[head])):
        evaluator = BoxScores(2, limits)
        pruned = prune_detector(network, module, removed).eval()
        with torch.inference_mode():
            for batch, targets in images(4):
                evaluator.add(pruned(batch), targets)
        expected = evaluator.scores()
        assert scores(removed) == pytest.approx([expected[name].value for name in ("ap", "ap50", "ap75")], abs=1e-9)


@pytest.mark.parametrize("limits", LIMITS)
def test_a_child_from_its_parent_scores_as_from_nothing(limits: Limits) -> None:
    _, _, found = recorded("ssd_l2_x8_sabc.abd.ab", limits)
    along, alone = SlotScores(found), SlotScores(found)
    removed: frozenset[int] = frozenset()
    along(removed)
    for slot in (4, 0, 7, 1, 5):
        child = removed | {slot}
        before = along.recomputed
        assert along(child, removed) == alone(child, child)
        if limits.candidates > 100:
            assert along.recomputed - before <= 2 * len(found.images)
        removed = child
    if limits.candidates > 100:
        # But for the first one, from which the others come.
        assert along.recomputed - 2 * len(found.images) < alone.recomputed
