"""Calls of `reduce_tokens` that cannot be answered say so in one line."""

from __future__ import annotations

from functools import partial

import pytest
import timm
import torch
from timm.layers import DiffAttention
from timm.models.vision_transformer import ParallelScalingBlock
from torch import nn

from blockfront.blocks.tokens import reduce_tokens
from blockfront.errors import UsageError


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (partial(nn.Linear, 3, 3), "Linear is none"),
        (partial(timm.create_model, "resnet18"), "ResNet is none"),
        (partial(timm.create_model, "vit_tiny_patch16_224", block_fn=ParallelScalingBlock), "one after the other"),
        (partial(timm.create_model, "vit_tiny_patch16_224", attn_layer=DiffAttention), "DiffAttention"),
        (partial(timm.create_model, "vit_tiny_patch16_224", global_pool="map", class_token=False), "pooling by token"),
    ],
)
def test_a_model_that_cannot_be_reduced_is_named(model, words):
    with torch.device("meta"), pytest.raises(UsageError, match=words):
        reduce_tokens(model(), "tome", r=2)


def test_a_reduced_model_is_not_reduced_again(vit):
    with pytest.raises(UsageError, match="already reduced with tome"):
        reduce_tokens(reduce_tokens(vit, "tome", r=2), "tome", r=2)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("tomee", {}, "did you mean tome"),
        ("tome", {"targt": 0.5}, "did you mean target"),
        ("tome", {}, "one of target and r"),
        ("tome", {"r": 3, "target": 0.5}, "one of target and r"),
        ("tome", {"r": -1}, "at least 0, not -1"),
        ("tome", {"r": 2.5}, "must be an integer"),
        ("tome", {"r": (1, 2)}, "2 numbers for 4 blocks"),
        ("tome", {"r": 3, "inflection": 2.0}, "between -1 and 1"),
        ("tome", {"target": 0.5, "inflection": 1.0}, "goes with one r"),
        ("tome", {"target": 0.01}, "out of reach: tome leaves 0."),
        ("cropr", {"target": 0.2}, "out of reach: cropr leaves 0."),
        ("cropr", {"r": 3, "queries": 0}, "at least 1"),
        ("evit", {"keep": 0.0}, "share of the patches"),
        ("random", {"r": "8"}, "must be an integer"),
        ("random", {"r": 8, "seed": -1}, "seed of random"),
        ("ltmp", {"target": 1.5}, "out of range"),
        ("ltmp", {"target": 0}, "out of range"),
        ("ltmp", {"target": float("nan")}, "out of range"),
        ("ltmp", {"target": True}, "out of range"),
        ("ltmp", {"variant": "merge-only"}, "unknown variant 'merge-only'"),
        ("ltmp", {"gradient": "all"}, "unknown gradient"),
        ("ltmp", {"temperature": 0.0}, "temperature above 0"),
        ("ltmp", {"merge_threshold": float("nan")}, "not a number"),
    ],
)
def test_a_wrong_option_is_named(method, options, words, vit):
    with pytest.raises(UsageError, match=words):
        reduce_tokens(vit, method, **options)


def test_cropr_needs_blocks_to_take_tokens_out_between(make_vit):
    with pytest.raises(UsageError, match="more than 2 blocks"):
        reduce_tokens(make_vit(depth=2), "cropr", r=2)
