"""Training thresholds and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from blockfront.blocks.tokens import learn_thresholds, reduce_tokens, threshold_groups
from blockfront.blocks.tokens.ltmp import learned_thresholds
from blockfront.errors import UsageError


def _batches(count: int, generator: torch.Generator | None = None):
    generator = generator or torch.Generator().manual_seed(0)
    for _ in range(count):
        yield torch.randn(4, 3, 32, 32, generator=generator), torch.randint(10, (4,), generator=generator)


def test_each_step_has_a_rate_of_its_own(vit):
    groups = threshold_groups(reduce_tokens(vit, "ltmp"), merge_rate=0.1, prune_rate=0.2)
    assert {group["name"]: group["lr"] for group in groups} == {"merge": 0.1, "prune": 0.2}
    assert sum(parameter.numel() for group in groups for parameter in group["params"]) == 2 * 4
    (prune,) = threshold_groups(reduce_tokens(vit, "ltmp", variant="prune"))
    assert prune["lr"] == 5e-6


def test_only_thresholds_change_and_stay_between_zero_and_one(vit):
    reduced = reduce_tokens(vit, "ltmp", target=0.3, merge_threshold=0.9)
    before = {name: value.clone() for name, value in vit.state_dict().items()}
    learn_thresholds(reduced, _batches(3), merge_rate=10.0, prune_rate=10.0)
    assert all(value.equal(before[name]) for name, value in vit.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in vit.parameters())
    for values in learned_thresholds(reduced.reducer).values():
        assert ((values >= 0) & (values <= 1)).all()
    assert (reduced.reducer.prune_thresholds == 1).any()


def test_a_step_whose_loss_is_not_finite_changes_nothing(vit):
    reduced = reduce_tokens(vit, "ltmp")
    before = {name: value.clone() for name, value in reduced.state_dict().items()}
    broken = [(torch.full((2, 3, 32, 32), torch.nan), torch.zeros(2, dtype=torch.long))]
    (loss,) = learn_thresholds(reduced, broken)
    assert loss != loss
    assert all(value.equal(before[name]) for name, value in reduced.state_dict().items())


@pytest.mark.parametrize("target", [0.8, 0.5])
def test_thresholds_find_the_target(target, vit):
    """By the budget alone: no label says anything."""
    reduced = reduce_tokens(vit, "ltmp", target=target, merge_threshold=0.9)
    learn_thresholds(
        reduced, _batches(100), merge_rate=1e-2, prune_rate=1e-4, criterion=lambda logits, labels: 0 * logits.sum()
    )
    reduced.eval()
    images = torch.cat([images for images, _ in _batches(4)])
    with torch.no_grad():
        ratio = reduced.reducer.budget(reduced.run(images)).item()
    assert ratio == pytest.approx(target, abs=0.02)


def test_learning_leaves_the_model_in_its_mode_and_frozen_weights_frozen(vit):
    vit.cls_token.requires_grad_(False)
    reduced = reduce_tokens(vit, "ltmp").train()
    learn_thresholds(reduced, _batches(1))
    assert reduced.training
    assert vit.training
    assert not vit.cls_token.requires_grad
    assert vit.pos_embed.requires_grad


def test_the_default_criterion_smooths_labels(vit):
    reduced = reduce_tokens(vit, "ltmp", budget_weight=0.0)
    (images, labels), *_ = _batches(1)
    with torch.no_grad():
        expected = nn.functional.cross_entropy(reduced(images), labels, label_smoothing=0.1)
    (loss,) = learn_thresholds(reduced, [(images, labels)])
    assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_a_method_without_thresholds_has_none_to_learn(vit):
    with pytest.raises(UsageError, match="tome has no thresholds"):
        learn_thresholds(reduce_tokens(vit, "tome", r=2), _batches(1))
