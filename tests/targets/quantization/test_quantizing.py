"""Any network becomes one of exact integers that says nearly the same."""

from __future__ import annotations

import copy
import math

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from blockfront.blocks import BLOCKS, deploy
from blockfront.blocks.tokens import METHODS, assume_counts, make_static, reduce_tokens
from blockfront.design_space import Network
from blockfront.signature import Signature
from blockfront.targets.compiler.randomize import randomize_constants
from blockfront.targets.quantization import OBSERVERS, Decibels, QuantizedNetwork, quantize_module, quantize_untrained
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.observers import Seen
from blockfront.targets.quantization.quantizing import AFTER_FLOATS, EXACT, FLIPS, MOST, calibrated
from blockfront.targets.quantization.wide_floats import with_wide_floats

SIZE = 32
IMAGES = torch.randn(8, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
FAMILIES = [name for name, block in BLOCKS.items() if block.cls.__module__.startswith("blockfront.blocks")]
INTEGERS_ALONE = {
    *("ir", "ir_se", "er", "ds", "uir", "ghost", "shufflenet_v1", "shufflenet_v2", "mixconv", "rep", "fire"),
    *("basic", "bottleneck", "resnext"),
}
"""Families of which nothing is float32."""
OPTIONS = {"ghost": {"se": 0.25}, "mixconv": {"se": 0.5, "act": "silu"}}


def family(name: str) -> nn.Module:
    """A small classifier of one family, whose weights hide no branch."""
    torch.manual_seed(0)
    block = BLOCKS[name]
    options = {key: value for key, value in OPTIONS.get(name, {}).items() if key in block.options}
    module = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1),
        nn.ReLU(),
        block.cls(16, 24, 2, **options),
        block.cls(24, 24, 1, **options),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )
    randomize_constants(module.eval(), 0, (IMAGES,))
    return deploy(module)


def decibels(module: nn.Module, quantized: nn.Module) -> float:
    with torch.no_grad():
        noise = Decibels()
        noise.add(module(IMAGES), quantized(IMAGES))
    return noise.value


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_keeps_its_outputs_within_a_tenth(name: str) -> None:
    module = family(name)
    quantized = quantize_module(module, Signature.image(SIZE), [(IMAGES,)])
    assert decibels(module, quantized) >= 20
    assert (name in INTEGERS_ALONE) == (not quantized.float_operators)
    with torch.no_grad():
        together, one = quantized(IMAGES), quantized(IMAGES[2:3])
    assert torch.equal(together[2:3], one)


@pytest.fixture(scope="module")
def transformer() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(
        "deit_tiny_patch16_224", img_size=SIZE, patch_size=8, embed_dim=48, depth=3, num_heads=3, num_classes=10
    ).eval()


REDUCERS: dict[str, dict[str, object]] = {
    "cropr": {"r": 2},
    "evit": {"keep": 0.7},
    "random": {"r": 2},
    "tome": {"r": 2},
}


@pytest.mark.parametrize("method", [None, *METHODS])
def test_transformers_with_each_reducer_keep_their_outputs_too(transformer: nn.Module, method: str | None) -> None:
    module = copy.deepcopy(transformer)
    if method is not None:
        reduced = reduce_tokens(module, method, **REDUCERS.get(method, {}))
        module = make_static(reduced, assume_counts(reduced)) if method == "ltmp" else reduced
    module = deploy(module)
    quantized = quantize_module(module, Signature.image(SIZE), [(IMAGES,)])
    assert decibels(module, quantized) >= 20
    assert {"layer_norm.default", "gelu.default"} <= set(quantized.float_operators)
    assert "linear.default" not in quantized.float_operators


def test_a_residual_stream_that_only_float_operators_read_stays_float32(transformer: nn.Module) -> None:
    quantized = quantize_module(transformer, Signature.image(SIZE), [(IMAGES,)])
    called = [node.target for node in quantized.operators.graph.nodes if node.op == "call_function"]
    assert "add.Tensor" in quantized.float_operators
    assert torch.ops.blockfront.add.default not in called
    assert torch.ops.blockfront.linear.default not in called


class Concatenated(nn.Module):
    """Two convolutions of unlike ranges, concatenated."""

    def __init__(self, ratio: float) -> None:
        super().__init__()
        self.one, self.two, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(16, 4, 1)
        with torch.no_grad():
            for left, right in zip(self.one.parameters(), self.two.parameters(), strict=True):
                right.copy_(left * ratio)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(torch.cat([self.one(images), self.two(images)], 1))


@pytest.mark.parametrize(("ratio", "tables"), [(0.6, 0), (0.1, 1)])
def test_only_unlike_parts_of_a_concatenation_pass_by_a_table(ratio: float, tables: int) -> None:
    torch.manual_seed(0)
    module = Concatenated(ratio).eval()
    quantized = quantize_module(module, Signature.image(SIZE), [(IMAGES,)], "minmax")
    called = [node.target for node in quantized.operators.graph.nodes]
    assert called.count(torch.ops.blockfront.lookup.default) == tables
    assert decibels(module, quantized) >= 30


@pytest.mark.parametrize(("size", "floats"), [(32, ()), (30, ("avg_pool2d.default",))])
def test_an_average_that_cuts_no_window_off_is_integer_however_it_would_cut_it(size: int, floats: tuple[str]) -> None:
    torch.manual_seed(0)
    pool = nn.AvgPool2d(4, 4, ceil_mode=True, count_include_pad=False)
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), pool, nn.Conv2d(8, 4, 1)).eval()
    images = IMAGES[:, :, :size, :size]
    quantized = quantize_module(module, Signature.image(size), [(images,)])
    assert quantized.float_operators == floats
    with torch.no_grad():
        noise = Decibels()
        noise.add(module(images), quantized(images))
    assert noise.value >= 30


class Bordered(nn.Module):
    """A border between a function of one value and a convolution, asked for in each way that there is; a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 3)
        self.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.two(F.pad(F.hardswish(self.one(F.pad(images, [0, 1, 0, 1]))), [0, 1, 0, 1], value=0.0))
        return self.last(torch.constant_pad_nd(F.hardswish(found) * self.scale, [1, 0, 1, 0]))


def test_borders_of_zeros_however_asked_for_and_constants_of_one_element_are_integer() -> None:
    torch.manual_seed(0)
    module = Bordered().eval()
    quantized = quantize_module(module, Signature.image(SIZE), [(IMAGES,)])
    assert quantized.float_operators == ()
    assert decibels(module, quantized) >= 30


def test_more_steps_are_closer_to_float32() -> None:
    """Rounding a uniform value to 256 steps leaves 10 log10(12 * 256^2 / 12) = 48 dB, as theory has it."""
    values = torch.rand(100_000) * 2 - 1
    affine = Affine.spanning(-1, 1)
    noise = Decibels()
    noise.add(values, (affine.steps(values).float() - affine.zero_point) * affine.scale)
    assert noise.value == pytest.approx(20 * math.log10(255), abs=0.1)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_observers_find_the_range_of_what_they_saw(observer: str) -> None:
    seen, generator = Seen(), torch.Generator().manual_seed(0)
    values = torch.rand(4096, generator=generator) * 5 - 1
    values[0] = 400.0
    for _ in range(20):
        seen.add(values, generator)
    low, high = seen.range(observer)
    assert -1.001 <= low <= 0
    assert high == 400 if observer == "minmax" else high <= 400


def test_zero_is_exact_whatever_the_range() -> None:
    for low, high in [(0.3, 7.0), (-5.0, -1.0), (-0.1, 3.3), (0.0, 0.0), (-1e-30, 1e-30)]:
        affine = Affine.spanning(low, high)
        assert float(affine.values()[affine.zero_point + 128]) == 0.0


def test_a_network_that_was_trained_on_nothing_is_quantised_by_random_inputs() -> None:
    module = family("ir")
    before = copy.deepcopy(module.state_dict())
    quantized = quantize_untrained(module, Signature.image(SIZE), 0)
    assert isinstance(quantized, QuantizedNetwork)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_detector_with_a_pyramid_keeps_its_outputs_by_name() -> None:
    torch.manual_seed(0)
    body = "stem_k3_s2_c16_nrelu/ir_r1_s2_c24/ir_r1_s2_c32/ir_r1_s2_c48/ir_r1_s2_c64"
    network = Network.parse(f"det_64_d6/{body}/ssdlite_l3_f32_x32_sabdf.abcdef.0.abd")
    module, images = network.deployed(), torch.randn(4, 3, 64, 64)
    quantized = quantize_module(module, network.signature, [(images,)])
    with torch.no_grad():
        plain, rounded = module(images), quantized(images)
    for name in ("logits", "deltas"):
        noise = Decibels()
        noise.add(plain[name], rounded[name])
        assert noise.value >= 10
    assert quantized.float_operators == ("cat.default",)
    assert set(quantized.tolerances(network.signature.random(0)).values()) == {EXACT}


def test_what_a_layer_costs_is_told_by_what_it_is() -> None:
    module = family("ir_se")
    found = calibrated(module, Signature.image(SIZE), [(IMAGES,)]).noise(IMAGES)
    assert len(found) == sum(isinstance(part, nn.Conv2d | nn.Linear) for part in module.modules())
    assert found == tuple(sorted(found, key=lambda one: one.snr_db))
    assert any("depthwise convolution of" in one.what for one in found)


def test_layers_that_are_named_stay_float32() -> None:
    module = family("ir")
    quantizer = calibrated(module, Signature.image(SIZE), [(IMAGES,)])
    # One alone may take the place of another's error: what is left then is no sum.
    worst = [one.name for one in quantizer.noise(IMAGES)[:5]]
    less = calibrated(module, Signature.image(SIZE), [(IMAGES,)], floats=worst).network()
    assert "conv2d.default" in less.float_operators
    assert decibels(module, less) > decibels(module, quantizer.network()) + 3


def test_training_with_rounded_values_moves_the_weights_that_are_rounded() -> None:
    module = family("ir")
    quantizer = calibrated(module, Signature.image(SIZE), [(IMAGES,)])
    rounded = quantizer.rounded()
    optimizer = torch.optim.SGD(rounded.parameters(), lr=0.05)
    targets = torch.arange(8)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(rounded(IMAGES), targets)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    with torch.no_grad():
        ours, fake = quantizer.with_constants(rounded.constants).network()(IMAGES), rounded(IMAGES)
    noise = Decibels()
    noise.add(fake, ours)
    assert noise.value >= 30


def test_biases_take_back_what_rounded_weights_are_off_by_in_the_mean() -> None:
    """Of a layer whose weights round badly, on inputs that are not around zero."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 1, bias=False), nn.Flatten(), nn.Linear(8 * SIZE**2, 4)).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.randint(-2, 3, module[0].weight.shape) + 0.3)
        module[0].weight[:, 0] = 100.0
    images = IMAGES.clone()
    images[:, 0] = 0.01
    images[:, 1:] += 3
    quantizer = calibrated(module, Signature.image(SIZE), [(images,)])
    with torch.no_grad():
        plain = module(images)
        errors = [
            float((made.network()(images) - plain).square().mean())
            for made in (quantizer, quantizer.with_constants(quantizer.recorded.constants))
        ]
    assert errors[0] < errors[1] / 3


def test_integers_alone_are_compared_exactly_and_floats_between_them_by_what_float32_rounds_there() -> None:
    exact = quantize_untrained(family("ir"), Signature.image(SIZE), 0)
    assert set(exact.tolerances(Signature.image(SIZE).random(0)).values()) == {EXACT}
    signature = Signature.image(32)
    network = Network.parse("vit_32_n10/p4_d4_w64_h2_m3").deployed()
    mixed, inputs = quantize_untrained(network, signature, 0), signature.random(0)
    (allowed,) = mixed.tolerances(inputs).values()
    assert AFTER_FLOATS <= allowed <= MOST
    with torch.no_grad():
        narrow, (wide, *_) = mixed(*inputs), with_wide_floats(mixed.operators, inputs)
    off = float((narrow - wide).abs().max() / wide.abs().max())
    assert allowed == pytest.approx(max(AFTER_FLOATS, min(FLIPS * off, MOST)))
