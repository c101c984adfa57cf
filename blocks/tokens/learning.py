"""Training the thresholds of LTMP, and nothing else, in one pass over the data (arXiv:2307.10780, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from blockfront.blocks.tokens.counted import MERGE
from blockfront.blocks.tokens.ltmp import LTMPReducer, learned_thresholds
from blockfront.blocks.tokens.transformer import ReducedTransformer, evaluating
from blockfront.errors import UsageError

MERGE_RATE = 5e-3
PRUNE_RATE = 5e-6
LABEL_SMOOTHING = 0.1


def threshold_groups(
    model: ReducedTransformer, merge_rate: float = MERGE_RATE, prune_rate: float = PRUNE_RATE
) -> list[dict[str, Any]]:
    """Optimiser groups of the thresholds, each step with its learning rate.

    The cosines that merging compares are hundreds of times larger than the attention that pruning does, hence the
    rates. Raises `UsageError` for a model without thresholds.
    """
    if not isinstance(model.reducer, LTMPReducer):
        raise UsageError(f"{model.method} has no thresholds to learn")
    return [
        {"params": [values], "lr": merge_rate if step == MERGE else prune_rate, "name": step}
        for step, values in learned_thresholds(model.reducer).items()
    ]


def clamp_thresholds(model: ReducedTransformer) -> None:
    """Thresholds back into [0, 1], as after every step of their training."""
    assert isinstance(model.reducer, LTMPReducer)
    with torch.no_grad():
        for values in learned_thresholds(model.reducer).values():
            values.clamp_(0, 1)


def learn_thresholds(
    model: ReducedTransformer,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    merge_rate: float = MERGE_RATE,
    prune_rate: float = PRUNE_RATE,
    criterion: Callable[[Any, Tensor], Tensor] | None = None,
) -> list[float]:
    """Learn the thresholds from batches of (images, labels) by SGD without momentum; gives the loss of each step.

    All else stays in evaluation mode and as it is. A step whose loss is not finite changes nothing. The criterion
    is cross entropy with `LABEL_SMOOTHING` by default. Raises `UsageError` for a model without thresholds.
    """
    optimizer = torch.optim.SGD(threshold_groups(model, merge_rate, prune_rate))
    criterion = criterion or nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    losses = []
    with evaluating(model), _frozen(model, but=model.reducer):
        model.reducer.train()
        for images, labels in batches:
            loss = model.loss(images, labels, criterion)
            losses.append(loss.item())
            if not torch.isfinite(loss):
                continue
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            clamp_thresholds(model)
    return losses


@contextmanager
def _frozen(module: nn.Module, but: nn.Module) -> Iterator[None]:
    """No parameter of `module` needs a gradient meanwhile, but those of a part of it."""
    needed = set(but.parameters())
    frozen = [one for one in module.parameters() if one.requires_grad and one not in needed]
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
