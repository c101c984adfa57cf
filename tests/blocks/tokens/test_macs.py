"""MACs against published numbers, torch's counter and the suite's."""

from __future__ import annotations

import pytest
import timm
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from blockfront.blocks.tokens import Plan, TransformerMacs, count_macs, make_static, reduce_tokens
from blockfront.design_space.cost import count_cost
from blockfront.errors import UsageError
from blockfront.signature import Signature


def _on_meta(name: str):
    with torch.device("meta"):
        return timm.create_model(name).eval()


@pytest.mark.parametrize(
    ("name", "plain", "blocks"),
    [
        ("deit_tiny_patch16_224", 1.2537, 1.2246),
        ("deit_small_patch16_224", 4.5989, 4.5407),
        ("vit_base_patch16_224", 17.5638, 17.4475),
        ("vit_large_patch16_224", 61.5547, 61.3995),
        ("vit_base_patch16_384", 55.484, None),
    ],
)
def test_plain_transformers_cost_what_is_published(name, plain, blocks):
    macs = TransformerMacs.of(_on_meta(name))
    assert macs.plain / 1e9 == pytest.approx(plain, abs=5e-5 if blocks else 5e-4)
    if blocks:
        assert (macs.plain - macs.outside) / 1e9 == pytest.approx(blocks, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("deit_tiny_patch16_224", {8: 0.924, 12: 0.769, 16: 0.622}),
        ("deit_small_patch16_224", {8: 3.416, 13: 2.703, 16: 2.291}),
        ("deit_base_patch16_224", {8: 13.104, 13: 10.367, 16: 8.772}),
        ("vit_large_patch16_224", {4: 46.109, 7: 34.710, 8: 30.963}),
    ],
)
def test_tome_costs_what_is_published(name, rates):
    vit = _on_meta(name)
    for r, gmacs in rates.items():
        assert count_macs(reduce_tokens(vit, "tome", r=r)).item() / 1e9 == pytest.approx(gmacs, abs=1e-3)


def test_tomes_decreasing_schedule_costs_what_is_published():
    for name, gmacs in (("deit_small_patch16_224", 1.539), ("deit_base_patch16_224", 5.864)):
        reduced = reduce_tokens(_on_meta(name), "tome", r=16, inflection=-1.0)
        assert count_macs(reduced).item() / 1e9 == pytest.approx(gmacs, abs=1e-3)
    reduced = reduce_tokens(_on_meta("deit_small_patch16_224"), "tome", r=8)
    assert reduced.reducer.counts(197)[1][-1] == 101


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("deit_small_patch16_224", 0.739594),
        ("deit_tiny_patch16_224", 0.731069),
        ("deit_base_patch16_224", 0.744381),
        ("vit_large_patch16_224", 0.501758),
    ],
)
def test_the_budgets_share_is_the_blocks_macs(name, share):
    reduced = reduce_tokens(_on_meta(name), "tome", r=8)
    assert reduced.macs.share(*reduced.reducer.counts(197)) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("fusion", "gmacs"), [(True, 34.67), (False, 32.26)])
def test_cropr_costs_what_is_published(fusion, gmacs):
    with torch.device("meta"):
        reduced = reduce_tokens(_on_meta("vit_large_patch16_224"), "cropr", r=8, fusion=fusion, auxiliary=False)
    assert count_macs(reduced).item() / 1e9 == pytest.approx(gmacs, abs=0.01)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("deit_tiny_patch16_224", {0.75: 0.948, 0.6: 0.764, 0.45: 0.580}),
        ("deit_small_patch16_224", {0.9: 4.145, 0.75: 3.464, 0.5: 2.329, 0.45: 2.101}),
        ("deit_base_patch16_224", {0.75: 13.202, 0.6: 10.585, 0.45: 7.968}),
    ],
)
def test_a_target_leaves_the_published_macs(name, targets):
    vit = _on_meta(name)
    for target, gmacs in targets.items():
        reduced = reduce_tokens(vit, "tome", target=target)
        assert count_macs(reduced).item() / 1e9 == pytest.approx(gmacs, rel=0.003)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("tome", {"r": 6}),
        ("cropr", {"r": 6, "auxiliary": False}),
        ("cropr", {"r": 6, "auxiliary": False, "fusion": False}),
        ("evit", {"keep": 0.6}),
        ("random", {"r": 6}),
        ("counts", {}),
        ("capacity", {}),
        ("prune-merge", {}),
    ],
)
def test_macs_and_overhead_are_all_that_torch_and_the_suite_count(method, options, make_vit):
    vit = make_vit(qk_norm=True)
    if method in ("counts", "capacity", "prune-merge"):
        variant = "prune-merge" if method == "prune-merge" else "merge-prune"
        merges = None if method == "capacity" else (6, 0, 5, 5)
        reduced = make_static(
            reduce_tokens(vit, "ltmp", variant=variant), Plan((50, 45, 30, 20), merges, {}, 0.0, 0, "")
        )
    else:
        reduced = reduce_tokens(vit, method, **options)
    expected = count_macs(reduced).item() + reduced.reducer.overhead(65)
    # torch 2.14 does not count its fused attention on processors.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        reduced.eval()(torch.randn(1, 3, 32, 32))
    assert counter.get_total_flops() / 2 == expected
    assert count_cost(reduced, Signature.image(32)).macs == expected


def test_patches_without_one_convolution_are_refused(make_vit):
    vit = make_vit()
    vit.patch_embed.proj = torch.nn.Identity()
    with pytest.raises(UsageError, match="embedded by one convolution"):
        reduce_tokens(vit, "tome", target=0.5)
