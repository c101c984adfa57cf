"""Transformers with fewer tokens through the whole compiler: `compile_model` refuses an output that differs."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from blockfront.blocks.tokens import (
    Plan,
    assume_counts,
    calibrate,
    calibrate_capacity,
    count_macs,
    make_static,
    reduce_tokens,
)
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.exporting import export_module

pytestmark = pytest.mark.compiles

FIXED = {
    "tome": {"r": 6},
    "cropr": {"r": 6},
    "evit": {"keep": 0.6},
    "random": {"r": 6},
}
# What sorts, scatters or takes a shape from the data, which a static graph has none of.
BANNED = ("scatter", "nonzero", "sort", "topk", "index_put", "masked_select", "_local_scalar", "unique", "bool")


def _vit(depth: int, pool: str = "token") -> VisionTransformer:
    torch.manual_seed(0)
    size = {"img_size": 32, "patch_size": 4, "embed_dim": 32, "num_heads": 2, "num_classes": 10, "depth": depth}
    model = VisionTransformer(**size, init_values=0.5, reg_tokens=1, global_pool=pool)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.normal_(std=0.25)
    return model.eval()


def _static(method: str, pool: str = "token") -> nn.Module:
    vit = _vit(depth=3 if method == "cropr" else 2, pool=pool)
    if method in FIXED:
        return reduce_tokens(vit, method, **FIXED[method])
    variant, kind = method.split()
    dynamic = reduce_tokens(vit, "ltmp", variant=variant, prune_threshold=0.013, merge_threshold=0.6)
    # The image that compile_model compares, and another, so that masks are not all ones.
    images = [torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in (0, 5)]
    images[1][:, :, ::2] = 0.2
    return make_static(dynamic, (calibrate if kind == "counts" else calibrate_capacity)(dynamic, images))


@pytest.mark.parametrize(
    ("method", "pool"),
    [
        *((method, "token") for method in [*FIXED, "merge-prune counts", "merge-prune capacity"]),
        # Of every patch: merged, brought back, lost where sequences are filled up.
        *((method, "") for method in ("tome", "cropr", "merge-prune capacity")),
    ],
)
def test_every_static_network_compiles_with_all_kernels_scheduled(method, pool):
    model = _static(method, pool)
    program = compile_model(model, Signature.image(32), get_target("host"), threads=1)
    assert program.max_rel_error <= 1e-5
    assert program.unscheduled_kernels == ()
    kernels = sum(kernel.macs * kernel.calls for kernel in program.kernels)
    assert kernels >= count_macs(model).item()


@pytest.mark.parametrize("pool", ["token", ""])
@pytest.mark.parametrize("method", [*FIXED, "merge-prune counts", "merge-prune capacity"])
def test_a_static_graph_has_no_operator_whose_result_has_a_shape_of_its_own(method, pool):
    nodes = export_module(_static(method, pool), Signature.image(32)).graph.nodes
    names = {str(node.target) for node in nodes if node.op == "call_function"}
    assert not [name for name in names if any(word in name for word in BANNED)]


def test_networks_that_merge_one_or_every_source_or_prune_every_patch_compile():
    vit = _vit(depth=2)
    dynamic = reduce_tokens(vit, "ltmp")
    one = Plan(lengths=(64, 63), merges=(1, 1), thresholds={}, macs=0.0, images=1, data="")
    every = Plan(lengths=(34, 2), merges=(32, 0), thresholds={}, macs=0.0, images=1, data="")
    for model in (make_static(dynamic, one), make_static(dynamic, every), reduce_tokens(vit, "random", r=64)):
        program = compile_model(model, Signature.image(32), get_target("host"), threads=1)
        assert program.max_rel_error <= 1e-5
        assert program.unscheduled_kernels == ()


class Selecting(nn.Module):
    """Comparisons, reductions of several axes and types, and gathering."""

    def forward(self, x):
        tokens = x.flatten(2)
        scores = tokens.amax((0, 1)).unsqueeze(0)
        places = (scores[:, None] > scores[:, :, None]).sum((0, 2))
        near = 2 - tokens.amax(dim=1, keepdim=True)
        chosen = (places[:, None] == torch.arange(9)).sum(1, keepdim=True)
        first = tokens.gather(2, places.clamp(max=20).expand(1, 3, -1))
        return first * near + chosen.T + (1 - places)


def test_operators_that_select_compute_what_torch_does():
    program = compile_model(Selecting(), Signature.image(8), get_target("host"), threads=1)
    assert program.max_rel_error <= 1e-6
    assert program.unscheduled_kernels == ()


@pytest.mark.parametrize(("method", "options"), [("tome", {"r": 16}), ("ltmp", {"target": 0.3})])
def test_a_network_that_takes_out_all_it_can_compiles(method, options):
    torch.manual_seed(0)
    vit = VisionTransformer(img_size=16, patch_size=4, embed_dim=32, num_heads=2, num_classes=10, depth=4).eval()
    reduced = reduce_tokens(vit, method, **options)
    static = make_static(reduced, assume_counts(reduced)) if method == "ltmp" else reduced
    assert min(static.reducer.counts(17)[1]) <= 3
    assert compile_model(static, Signature.image(16), get_target("host"), threads=1).max_rel_error <= 1e-5
