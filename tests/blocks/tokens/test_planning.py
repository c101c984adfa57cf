"""Static networks against the dynamic one they come from."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise

import msgspec
import pytest
import torch

from blockfront.blocks.tokens import (
    Plan,
    assume_counts,
    calibrate,
    calibrate_capacity,
    count_macs,
    make_dynamic,
    make_static,
    reduce_tokens,
)
from blockfront.blocks.tokens.ltmp import VARIANTS
from blockfront.errors import UsageError

THRESHOLDS = {
    "merge-prune": {"merge_threshold": 0.5, "prune_threshold": 0.0125},
    "prune-merge": {"merge_threshold": 0.5, "prune_threshold": 0.0125},
    "merge": {"merge_threshold": 0.5},
    "prune": {"prune_threshold": 0.0125},
}


@pytest.fixture(params=VARIANTS)
def dynamic(request, make_vit):
    return reduce_tokens(make_vit(reg_tokens=1), "ltmp", variant=request.param, **THRESHOLDS[request.param])


def test_with_an_images_own_counts_the_static_network_is_the_dynamic_one(dynamic, images):
    with torch.no_grad():
        for image in images:
            run = dynamic.run(image[None])
            plan = calibrate(dynamic, [image[None]])
            assert list(plan.lengths) == run.counts()[1][:, 0].tolist()
            torch.testing.assert_close(make_static(dynamic, plan)(image[None]), run.logits, rtol=0, atol=3e-6)


@pytest.mark.parametrize("multiple", [1, 8])
def test_calibrated_macs_are_the_mean_dynamic_macs(dynamic, make_vit, images, multiple):
    thresholds = THRESHOLDS[dynamic.options.variant]
    realistic = {"merge_threshold": 0.8, "prune_threshold": 0.0033}
    thresholds = {name: realistic[name] for name in thresholds}
    model = reduce_tokens(make_vit(img_size=64, depth=6), "ltmp", variant=dynamic.options.variant, **thresholds)
    batch = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    batch[:3, :, :40] = 0.3
    plan = calibrate(model, batch.split(4), multiple=multiple)
    static = make_static(model, plan)
    assert plan.macs == pytest.approx(count_macs(model, batch).mean().item(), rel=1e-6)
    assert count_macs(static).item() == pytest.approx(plan.macs, rel=0.005)
    assert static(batch).shape == (6, 10)
    if model.options.variant != "merge" and multiple == 8:
        assert all(length % 8 == 0 for length in plan.lengths)
    assert list(plan.lengths) == sorted(plan.lengths, reverse=True)


def test_sequences_long_enough_hold_every_image_as_it_is(dynamic, images):
    plan = calibrate_capacity(dynamic, [images[:2], images[2:]])
    assert plan.merges is None  # The lengths are a capacity.
    bounded = make_static(dynamic, plan)
    with torch.no_grad():
        run, expected = bounded.run(images), dynamic.run(images)
        torch.testing.assert_close(run.logits, expected.logits, rtol=1e-5, atol=1e-5)
        assert run.counts()[1].equal(expected.counts()[1])
        assert plan.lengths == tuple(int(count) for count in expected.counts()[1].amax(1))
        whole = make_static(dynamic, Plan((66,) * 4, None, {}, 0.0, 0, ""))
        torch.testing.assert_close(whole(images), expected.logits, rtol=1e-5, atol=1e-5)


def test_sequences_too_short_keep_the_most_important(vit, images):
    dynamic = reduce_tokens(vit, "ltmp", variant="prune", prune_threshold=0.0125)
    bounded = make_static(dynamic, Plan((20,) * 4, None, {}, 0.0, 0, ""))
    with torch.no_grad():
        _, attended = bounded.attend(0, bounded.embed(images))
        tokens = bounded.reducer.between(0, *bounded.attend(0, bounded.embed(images, trace_sources=True)))
    expected = attended.importance[:, 1:].topk(19).indices.sort().values + 1
    assert (attended.importance > 0.0125).sum(1).min() > 20
    assert tokens.source.argmax(-1)[:, 1:].equal(expected)
    assert tokens.mask.eq(1).all()


def test_a_capacity_of_most_images_is_shorter_and_a_multiple(vit, images):
    dynamic = reduce_tokens(vit, "ltmp", **THRESHOLDS["merge-prune"])
    counts = dynamic.run(images).counts()[1]
    plan = calibrate_capacity(dynamic, [images], quantile=0.5, multiple=4)
    assert all(length % 4 == 0 for length in plan.lengths)
    for length, count in zip(plan.lengths, counts.quantile(0.5, dim=1).tolist(), strict=True):
        assert count <= length < count + 4 or length == min(plan.lengths)


def test_a_plan_tells_where_it_comes_from_and_survives_json(vit, images):
    dynamic = reduce_tokens(vit, "ltmp", merge_threshold=math.inf, prune_threshold=0.0125)
    plan = calibrate(dynamic, [images[:3], images[3:]])
    assert plan.images == 4
    assert plan.data == hashlib.sha256(images.numpy().tobytes()).hexdigest()
    assert plan.thresholds == {"merge": (None,) * 4, "prune": pytest.approx((0.0125,) * 4)}
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    assert make_static(dynamic, plan).plan == plan


def test_the_static_network_shares_backbone_and_thresholds(vit, images):
    dynamic = reduce_tokens(vit, "ltmp", **THRESHOLDS["merge-prune"])
    counts = make_static(dynamic, calibrate(dynamic, [images]))
    bounded = make_static(dynamic, calibrate_capacity(dynamic, [images]))
    assert counts.backbone is bounded.backbone is vit
    assert not list(counts.reducer.parameters()), "fixed counts need no thresholds"
    assert bounded.reducer.prune_thresholds is dynamic.reducer.prune_thresholds


def test_calibrating_leaves_the_model_in_its_mode(vit, images):
    dynamic = reduce_tokens(vit, "ltmp", **THRESHOLDS["merge-prune"]).train()
    calibrate(dynamic, [images])
    calibrate_capacity(dynamic, [images])
    count_macs(dynamic, images)
    assert dynamic.training
    assert dynamic.reducer.training


def test_what_cannot_be_made_static_is_named(vit, images):
    dynamic = reduce_tokens(vit, "ltmp")
    plan = calibrate(dynamic, [images])
    for call, words in (
        (lambda: calibrate(reduce_tokens(vit, "tome", r=2), [images]), "tome has no learned thresholds"),
        (lambda: calibrate(make_static(dynamic, plan), [images]), "fixed already"),
        (lambda: calibrate(dynamic, []), "at least one image"),
        (lambda: calibrate(dynamic, [images], multiple=0), "at least 1, not 0"),
        (lambda: calibrate_capacity(dynamic, [images], quantile=1.5), "quantile"),
        (lambda: make_static(dynamic, Plan((9,) * 3, None, {}, 0.0, 0, "")), "for 3 blocks, the model has 4"),
        (lambda: make_static(dynamic, Plan((66, 9, 9, 9), None, {}, 0.0, 0, "")), "65 at first"),
        (lambda: make_static(dynamic, Plan((9, 9, 10, 9), None, {}, 0.0, 0, "")), "never more than before"),
        (lambda: make_static(dynamic, Plan((9, 9, 9, 0), None, {}, 0.0, 0, "")), "1 or more at the end"),
    ):
        with pytest.raises(UsageError, match=words):
            call()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("target", [0.9, 0.6])
def test_assumed_counts_cost_the_target_and_take_as_many_tokens_out_of_every_block(make_vit, variant, target):
    model = reduce_tokens(make_vit(depth=8), "ltmp", target=target, variant=variant)
    plan = assume_counts(model)
    assert plan.is_assumed
    assert plan.macs == count_macs(make_static(model, plan)).item()
    assert (plan.macs - model.macs.outside) / (model.macs.plain - model.macs.outside) == pytest.approx(target, abs=0.01)
    removed = [before - left for before, left in pairwise([65, *plan.lengths])]
    assert max(removed) - min(removed) <= 2
    assert max(removed) > 0


def test_a_target_that_no_count_reaches_has_none(make_vit):
    with pytest.raises(UsageError, match=r"target 0.1 is out of reach: ltmp leaves 0\.\d+ or more"):
        assume_counts(reduce_tokens(make_vit(), "ltmp", target=0.1))


@pytest.mark.parametrize("fixed", [calibrate, calibrate_capacity])
def test_a_static_network_knows_the_thresholds_it_comes_from(dynamic, images, fixed):
    static = make_static(dynamic, fixed(dynamic, [images]))
    again = make_dynamic(static)
    assert again.plan is None
    assert again(images).equal(dynamic(images))
    with pytest.raises(UsageError, match="ltmp has no plan that was calibrated"):
        make_dynamic(make_static(dynamic, assume_counts(dynamic)))


def test_a_step_that_is_off_stays_off(vit, images):
    off = reduce_tokens(vit, "ltmp", merge_threshold=math.inf, prune_threshold=-math.inf)
    again = make_dynamic(make_static(off, calibrate(off, [images])))
    torch.testing.assert_close(again(images), vit(images), rtol=0, atol=1e-5)
