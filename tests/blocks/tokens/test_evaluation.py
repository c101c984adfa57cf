"""Networks side by side on labelled images."""

from __future__ import annotations

import pytest
import torch

from blockfront.blocks.tokens import count_macs, reduce_tokens, score_transformers
from blockfront.blocks.tokens.macs import TransformerMacs
from blockfront.errors import RunError, UsageError


def test_scores_are_those_of_all_images_counted_by_hand(vit, images):
    dynamic = reduce_tokens(vit, "ltmp", prune_threshold=0.0125, merge_threshold=0.5)
    labels = torch.tensor([3, 1, 4, 1])
    with torch.no_grad():
        logits = {"ltmp": dynamic(images), "plain": vit(images)}
    scores = score_transformers({"ltmp": dynamic, "plain": vit}, zip(images.split(3), labels.split(3), strict=True))
    classes = {name: values.argmax(1) for name, values in logits.items()}
    for name, score in scores.items():
        assert score.images == 4
        assert score.top1 == (classes[name] == labels).double().mean()
        five = logits[name].argsort(1, descending=True)[:, :5]
        assert score.top5 == (five == labels[:, None]).any(1).double().mean()
        assert score.agreement == (classes[name] == classes["ltmp"]).double().mean()
    assert scores["ltmp"].macs == pytest.approx(count_macs(dynamic, images).mean().item())
    assert scores["plain"].macs == TransformerMacs.of(vit).plain


def test_the_models_keep_their_modes(vit, images):
    vit.train()
    score_transformers({"plain": vit}, [(images, torch.zeros(4, dtype=torch.long))])
    assert vit.training


def test_no_images_and_outputs_that_are_not_numbers_are_refused(vit, images):
    with pytest.raises(UsageError, match="at least one image"):
        score_transformers({"plain": vit}, [])
    with torch.no_grad():
        vit.head.bias.fill_(float("nan"))
    with pytest.raises(RunError, match="outputs of the plain network are not finite"):
        score_transformers({"plain": vit}, [(images, torch.zeros(4, dtype=torch.long))])
