"""Networks whose training decides how many tokens they keep."""

from __future__ import annotations

import json
import math
import statistics

import msgspec
import pytest
from scipy.stats import t as student

import blockfront as suite
from blockfront.adaptations.token_counts import batch_of
from blockfront.blocks.tokens import (
    Plan,
    calibrate,
    count_macs,
    learn_thresholds,
    make_static,
    reduce_tokens,
    score_transformers,
)
from blockfront.design_space import Network
from blockfront.sweep.stages import Job, profile_network
from blockfront.targets import Asked, choose, get_target
from blockfront.training import Recipe, fed, get_dataset, seeded, train

pytestmark = pytest.mark.processes

SPACE = """
from blockfront.design_space import Reduction, TransformerSpace

reductions = [Reduction("none"), Reduction("ltmp", target=0.7)]
size = {"patch": 4, "depth": 2, "width": 16, "head_width": 16, "mlp_ratio": 2}
space = TransformerSpace("learned", resolution=16, num_classes=10, reductions=reductions, **size)
"""


@pytest.mark.long
def test_thresholds_are_learned_before_their_counts_are_compiled_and_reused_on_another_target(commands):
    (commands.folder / "tiny.py").write_text(SPACE)
    done = commands.sample(2, "--workers", "1")
    assert done.returncode == 0, done.stderr
    frame = suite.load("learned-rk3399", commands.storage)
    assert (frame["state"] == "complete").all()
    assert (frame["unscheduled_kernels"] == 0).all()
    (plain,) = frame[frame["family"] == "vit"].itertuples()
    (learned,) = frame[frame["family"] == "vit_ltmp"].itertuples()
    assert plain.token_counts != plain.token_counts
    assert learned.token_counts == "calibrated on 1024 images"
    assert all(0 <= share <= 1 for share in (learned.plain_top1, learned.dynamic_top1, learned.agreement))
    (shown,) = json.loads(commands.run("show", learned.network_id, "--json").stdout)
    plan = msgspec.convert(shown["adaptations"]["token_counts"]["artefact"], Plan)
    assert len(plan.data) == 64
    static = Network.parse(learned.network).deployed(plan)
    assert learned.macs == count_macs(static).item() + static.reducer.overhead(17)

    again = commands.sample(2, "--workers", "1", "--target", "rpi3bplus")
    assert again.returncode == 0, again.stderr
    other = suite.load("learned-rpi3bplus", commands.storage)
    same = ["network_id", "macs", "top1", "dynamic_top1", "agreement", "train_seconds", "token_counts"]
    assert other[same].equals(frame[same])


def test_without_training_counts_are_assumed_and_called_so():
    network, target = Network.parse("vit_16_n10/p4_d2_w16_h1_m2/ltmp_target0.7"), get_target("rk3399")
    job = Job(network.id, str(network), seed=0, threads=1)
    found = profile_network(job, choose(Asked(target, threads=1), runner="roofline"))
    assert found["adapted"] == {"token_counts": "assumed"}
    assert found["cost"].macs == network.cost.macs


@pytest.mark.long
def test_thresholds_reach_their_target_and_lose_less_than_random_pruning_at_equal_macs():
    """Over five orders of images and sets of pruned positions; benchmarks/token_learning.py trains five networks."""
    digits, network = get_dataset("digits"), Network.parse("vit_28_n10/p4_d4_w48_h3_m2/ltmp_target0.6")
    with seeded(0, 1):
        backbone = network.build().backbone
        train(backbone, digits, Recipe(epochs=13), resolution=28)
    gains = []
    for seed in range(5):
        model = reduce_tokens(backbone, "ltmp", target=0.6)
        with fed(model, digits, resolution=28, device="cpu", seed=seed) as feed:
            learn_thresholds(model, feed.training(batch_of(digits.train_images)))
            plan = calibrate(model, (images for images, _ in feed.training(limit=512)))
            share = _share(model, plan.macs)
            assert share == pytest.approx(0.6, abs=0.02)
            static, pruned = make_static(model, plan), _pruned_at_random(backbone, share, seed)
            scores = score_transformers({"static": static, "random": pruned}, feed.test())
        assert 1 <= scores["random"].macs / scores["static"].macs <= 1.05
        gains.append(scores["static"].top1 - scores["random"].top1)
    half = student.ppf(0.975, 4) * statistics.stdev(gains) / math.sqrt(5)
    assert statistics.mean(gains) - half > 0


def _pruned_at_random(backbone, share, seed):
    """Whole tokens go, so the nearest that costs no less than `share`."""
    candidates = (reduce_tokens(backbone, "random", target=share + more / 100, seed=seed) for more in range(6))
    return next(model for model in candidates if _share(model, count_macs(model).item()) >= share)


def _share(model, macs):
    return (macs - model.macs.outside) / (model.macs.plain - model.macs.outside)


def test_a_pass_over_few_images_has_as_many_steps_as_thresholds_need():
    assert [batch_of(images) for images in (100, 1347, 6000, 1_281_167)] == [8, 8, 40, 128]
