"""LTMP against its equations, written out token by token; masks against tokens taken out; thresholds and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from blockfront.blocks.tokens import TransformerMacs, count_macs, reduce_tokens
from blockfront.blocks.tokens.attention import Attended
from blockfront.blocks.tokens.ltmp import VARIANTS, threshold_mask
from blockfront.blocks.tokens.state import Tokens
from blockfront.errors import UsageError

THRESHOLDS = [(0.5, 0.012), (0.8, 0.015), (0.2, 0.005), (math.inf, 0.013), (0.4, -math.inf)]
GRID = [
    (variant, {"merge_threshold": merge, "prune_threshold": prune})
    for variant in VARIANTS
    for merge, prune in THRESHOLDS
]


def by_the_equations(vit, image, variant, merge_threshold, prune_threshold):
    """Logits and tokens left after every block, for one image and a class token, with lists instead of masks."""
    x = list(vit._pos_embed(vit.patch_embed(image[None]))[0])
    sizes = [1.0] * len(x)
    counts = []
    for block in vit.blocks:
        stacked = torch.stack(x)
        heads, width = block.attn.num_heads, block.attn.head_dim
        qkv = block.attn.qkv(block.norm1(stacked)).reshape(len(x), 3, heads, width)
        query, key, value = (qkv[:, part].transpose(0, 1) for part in range(3))
        logits = query @ key.transpose(1, 2) / math.sqrt(width) + torch.tensor(sizes).log()
        weights = logits.softmax(-1)
        mixed = (weights @ value).transpose(0, 1).reshape(len(x), -1)
        x = list(stacked + block.attn.proj(mixed))
        importance = [weights[:, :, i].mean().item() for i in range(len(x))]
        importance[0] = math.inf
        keys = F.normalize(key.mean(0), dim=-1)
        tokens = list(zip(x, sizes, importance, keys, strict=True))
        for step in VARIANTS[variant][0]:
            if step == "prune":
                tokens = [token for token in tokens if token[2] > prune_threshold]
            else:
                tokens = _merged(tokens, merge_threshold)
        x, sizes = [token[0] for token in tokens], [token[1] for token in tokens]
        counts.append(len(x))
        stacked = torch.stack(x)
        x = list(stacked + block.mlp(block.norm2(stacked)))
    return vit.head(vit.norm(torch.stack(x))[0]), counts


def _merged(tokens, threshold):
    sources, destinations = tokens[0::2], tokens[1::2]
    sums = [[x * size, size, importance] for x, size, importance, _ in destinations]
    left = sources[:1]
    for x, size, importance, key in sources[1:]:
        cosines = [float(key @ other[3]) for other in destinations]
        best = cosines.index(max(cosines))
        if cosines[best] > threshold:
            sums[best][0] = sums[best][0] + x * size
            sums[best][1] += size
            sums[best][2] = max(sums[best][2], importance)
        else:
            left.append((x, size, importance, key))
    means = [(total / size, size, importance, None) for total, size, importance in sums]
    return left + means


@pytest.mark.parametrize(("variant", "thresholds"), GRID)
def test_every_variant_computes_its_equations(variant, thresholds, vit, images):
    reduced = reduce_tokens(vit, "ltmp", variant=variant, **thresholds)
    with torch.no_grad():
        for image in images[:2]:
            logits, counts = by_the_equations(vit, image, variant, **thresholds)
            run = reduced.run(image[None])
            assert run.counts()[1][:, 0].tolist() == counts
            torch.testing.assert_close(run.logits[0], logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("variant", "thresholds"), GRID)
@pytest.mark.parametrize("gradient", ["last", "product"])
def test_masks_in_training_are_tokens_taken_out(variant, thresholds, gradient, make_vit, images):
    reduced = reduce_tokens(
        make_vit(reg_tokens=1, global_pool="avg"), "ltmp", variant=variant, gradient=gradient, **thresholds
    )
    dropped = [reduced.run(image[None]) for image in images]
    masked = reduced.train().run(images)
    torch.testing.assert_close(masked.logits, torch.cat([run.logits for run in dropped]), rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(masked.counts(), zip(*(run.counts() for run in dropped), strict=True), strict=True):
        assert ours.equal(torch.cat(theirs, dim=1))
    assert masked.tokens.length == 66, "the training graph keeps every token"


def test_sizes_add_up_to_the_tokens_that_were_not_pruned(vit, images):
    for thresholds, pruned in (((0.3, -math.inf), False), ((0.3, 0.013), True)):
        reduced = reduce_tokens(vit, "ltmp", merge_threshold=thresholds[0], prune_threshold=thresholds[1])
        with torch.no_grad():
            tokens = reduced.run(images, trace_sources=True).tokens
        sizes = tokens.sizes * tokens.active
        assert (tokens.source.sum(-1) * tokens.active).equal(sizes)
        assert (sizes.sum(1) < 65).all() if pruned else (sizes.sum(1) == 65).all()


def test_importance_is_spread_over_the_active_tokens(vit, images):
    reduced = reduce_tokens(vit, "ltmp", merge_threshold=0.5, prune_threshold=0.013).train()
    with torch.no_grad():
        tokens = reduced.embed(images)
        for index in range(2):
            tokens = reduced.finish(index, reduced.reducer.between(index, *reduced.attend(index, tokens)))
        _, attended = reduced.attend(2, tokens)
    torch.testing.assert_close(attended.importance.sum(1), torch.ones(4))
    assert (attended.weights * (1 - tokens.mask)[:, None, None]).eq(0).all(), "nobody attends to what is gone"
    assert (attended.importance * (1 - tokens.mask)).eq(0).all()
    torch.testing.assert_close(attended.weights.sum(-1), torch.ones(4, 3, 65))


def test_what_a_masked_token_holds_changes_nothing(vit, images):
    reduced = reduce_tokens(vit, "ltmp", merge_threshold=0.5, prune_threshold=0.013).train()
    with torch.no_grad():
        tokens = reduced.reducer.between(0, *reduced.attend(0, reduced.embed(images)))
        gone = (tokens.mask == 0).unsqueeze(-1)
        others = Tokens(torch.where(gone, tokens.x + 1e4, tokens.x), tokens.size, tokens.mask)
        before, after = (reduced.attend(1, each)[0].x for each in (tokens, others))
    assert before.masked_select(~gone).equal(after.masked_select(~gone))
    assert after.isfinite().all(), "a score far above those of active tokens does not overflow"


def test_at_the_highest_threshold_only_the_prefix_survives(make_vit, images):
    reduced = reduce_tokens(make_vit(reg_tokens=3), "ltmp", prune_threshold=1.0)
    assert (reduced.run(images).counts()[1] == 4).all()
    assert reduced(images).isfinite().all()


def test_without_a_prefix_the_most_important_token_survives(make_vit, images):
    reduced = reduce_tokens(make_vit(class_token=False, global_pool="avg"), "ltmp", prune_threshold=1.0)
    for training in (False, True):
        reduced.reducer.train(training)
        assert (reduced.run(images).counts()[1] == 1).all()


def test_equal_tokens_all_merge_but_never_more_than_half(vit):
    flat = torch.zeros(1, 3, 32, 32)
    nn.init.zeros_(vit.pos_embed)
    reduced = reduce_tokens(vit, "ltmp", merge_threshold=0.999, prune_threshold=-math.inf)
    assert reduced.run(flat).counts()[1][:, 0].tolist() == [33, 17, 9, 5]


def test_a_token_of_size_k_is_k_equal_tokens(make_vit):
    """Proportional attention: a network of unequal copies of four patches agrees with merging the copies."""
    vit = make_vit(img_size=(4, 32))
    nn.init.zeros_(vit.pos_embed)
    colours = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    image = colours[:, [0, 0, 0, 0, 1, 1, 2, 2]].repeat_interleave(4, dim=1)[:, None].expand(3, 4, 32)[None]
    reduced = reduce_tokens(vit, "ltmp", merge_threshold=0.99999, prune_threshold=-math.inf)
    with torch.no_grad():
        run = reduced.run(image)
        torch.testing.assert_close(run.logits, vit(image), rtol=1e-5, atol=1e-5)
    assert run.counts()[1][-1] == 4
    assert sorted(run.tokens.sizes[0].tolist()) == [1, 2, 2, 4]


@pytest.mark.parametrize("threshold", [0.3, math.inf, -math.inf])
def test_the_mask_is_a_step_with_the_slope_of_a_sigmoid(threshold):
    values = torch.tensor([0.1, 0.3, 0.300001, 0.9], requires_grad=True)
    theta = torch.tensor(threshold, requires_grad=True)
    mask = threshold_mask(values, theta, 0.1)
    assert mask.tolist() == (values > threshold).float().tolist()
    mask.sum().backward()
    soft = torch.sigmoid((values.detach() - threshold) / 0.1)
    slope = soft * (1 - soft) / 0.1
    torch.testing.assert_close(values.grad, slope)
    torch.testing.assert_close(theta.grad, -slope.sum())


def test_the_budget_is_the_papers_ratio_and_pushes_towards_the_target(vit, images):
    for target, sign in ((0.1, 1), (0.95, -1)):
        reduced = reduce_tokens(vit, "ltmp", target=target, merge_threshold=0.5, prune_threshold=0.0125).train()
        reducer = reduced.reducer
        run = reduced.run(images)
        ratio = reducer.budget(run)
        n, d = 65, 48
        attended, kept = (count.mean(1) for count in run.counts())
        paper = (2 * attended * d**2 + attended**2 * d + 4 * kept * d**2) / (6 * n * d**2 + n**2 * d)
        assert ratio.item() == pytest.approx(paper.mean().item(), rel=1e-6)
        (10 * (target - ratio) ** 2).backward()
        assert (sign * reducer.prune_thresholds.grad < 0).all(), "descent prunes more above the target, less below"
        assert (sign * reducer.merge_thresholds.grad > 0).all()


def test_nothing_removed_costs_the_whole_budget(vit, images):
    off = reduce_tokens(vit, "ltmp", merge_threshold=math.inf, prune_threshold=-math.inf).train()
    assert off.reducer.budget(off.run(images)).item() == pytest.approx(1.0)


def test_the_loss_adds_the_weighted_square_of_what_is_missing(vit, images):
    reduced = reduce_tokens(vit, "ltmp", target=0.6, budget_weight=7.0, prune_threshold=0.0125).train()
    labels = torch.arange(4)
    run = reduced.run(images)
    expected = F.cross_entropy(run.logits, labels) + 7 * (0.6 - reduced.reducer.budget(run)) ** 2
    assert reduced.loss(images, labels, F.cross_entropy).item() == pytest.approx(expected.item())


def test_merge_thresholds_have_a_gradient_where_something_merges_or_everywhere_with_products(vit, images):
    def gradients(gradient):
        reduced = reduce_tokens(vit, "ltmp", merge_threshold=0.99, prune_threshold=0.01, gradient=gradient).train()
        reduced.loss(images[:2], torch.arange(2), F.cross_entropy).backward()
        assert (reduced.reducer.prune_thresholds.grad != 0).all()
        return reduced.reducer.merge_thresholds.grad, reduced.run(images[:2])

    last, run = gradients("last")
    product, same = gradients("product")
    assert (last == 0).all()
    assert (product != 0).all()
    assert run.logits.equal(same.logits)


def test_the_last_blocks_thresholds_matter_to_the_budget_alone(vit, images):
    reduced = reduce_tokens(vit, "ltmp", merge_threshold=0.5, prune_threshold=0.0125).train()
    F.cross_entropy(reduced(images), torch.arange(4)).backward()
    gradient = reduced.reducer.prune_thresholds.grad
    assert gradient[-1] == 0
    assert (gradient[:-1] != 0).all()


@pytest.mark.parametrize("step", ["merge", "prune"])
def test_a_higher_threshold_merges_less_and_prunes_more(step, vit, images):
    counts = []
    for value in (0.1, 0.3, 0.5, 0.9) if step == "merge" else (0.005, 0.01, 0.013, 0.02):
        reduced = reduce_tokens(vit, "ltmp", variant=step, **{f"{step}_threshold": value})
        counts.append(reduced.run(images).counts()[1][0].sum().item())
    assert counts == sorted(counts, reverse=step == "prune")


def test_pruning_does_not_care_for_the_order_of_the_patches_and_merging_does(make_vit, images):
    vit = make_vit(pos_embed="none")
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    shuffled = images.unflatten(3, (8, 4))[:, :, :, order].flatten(3)
    prune, merge = (
        reduce_tokens(vit, "ltmp", variant=variant, prune_threshold=0.013, merge_threshold=0.5)
        for variant in ("prune", "merge")
    )
    torch.testing.assert_close(prune(shuffled), prune(images), rtol=1e-4, atol=1e-4)
    assert (merge(shuffled) - merge(images)).abs().max() > 0.01


def test_the_variants_have_their_thresholds_where_the_paper_starts_them(vit):
    starts = {"merge-prune": (0.9, 0.0), "prune-merge": (1.0, 0.0), "merge": (1.0, None), "prune": (None, 0.0)}
    for variant, (merge, prune) in starts.items():
        reducer = reduce_tokens(vit, "ltmp", variant=variant).reducer
        expected = {"merge_thresholds": merge, "prune_thresholds": prune}
        values = {name: parameter.tolist() for name, parameter in reducer.named_parameters()}
        assert values == {name: pytest.approx([value] * 4) for name, value in expected.items() if value is not None}


def test_macs_are_those_of_each_image_and_their_mean_is_of_macs(vit, images):
    reduced = reduce_tokens(vit, "ltmp", merge_threshold=0.5, prune_threshold=0.0125)
    per_image = count_macs(reduced, images)
    macs = TransformerMacs.of(vit)
    for image, total in zip(images, per_image.tolist(), strict=True):
        attended, kept = (count[:, 0].tolist() for count in reduced.run(image[None]).counts())
        d = 48
        blocks = sum(4 * n * d**2 + 2 * n**2 * d + 8 * k * d**2 for n, k in zip(attended, kept, strict=True))
        assert total == blocks + 64 * 48 * d + d * 10
    assert len(set(per_image.tolist())) > 1
    assert per_image.mean() > macs.total(*(count.double().mean(1) for count in reduced.run(images).counts()))
    with pytest.raises(UsageError, match="give images"):
        count_macs(reduced)


def test_attention_weights_are_asked_for_before_they_are_read():
    with pytest.raises(AssertionError, match="did not ask"):
        Attended(torch.zeros(1, 2, 3), None, None).importance  # noqa: B018
