"""The operators of quantised networks are the integer arithmetic that their text says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

import blockfront.integer  # noqa: F401

ops = torch.ops.blockfront


def _int8(*shape: int, seed: int = 0, low: int = -128) -> Tensor:
    return torch.randint(low, 128, shape, dtype=torch.int8, generator=torch.Generator().manual_seed(seed))


def _requantize(total: np.ndarray, multiplier: np.ndarray, zero_point: int, low: int, high: int) -> np.ndarray:
    scaled = total.astype(np.int32).astype(np.float32) * multiplier
    return np.clip(np.rint(scaled).astype(np.int64) + zero_point, low, high).astype(np.int8)


@pytest.mark.parametrize(("groups", "channels", "kernel"), [(1, 72, 3), (8, 8, 3), (1, 5, 1)])
def test_a_convolution_sums_integers_and_scales_once(groups: int, channels: int, kernel: int) -> None:
    q = _int8(2, channels, 9, 7)
    weight = _int8(16, channels // groups, kernel, kernel, seed=1, low=-127)
    bias = torch.arange(16, dtype=torch.int32) * 1000 - 8000
    multiplier = torch.linspace(1e-5, 3e-4, 16)
    got = ops.convolution(q, weight, bias, multiplier, 3, -7, [2, 1], [kernel // 2] * 2, [1, 1], groups, -100, 90)
    padded = np.pad(q.numpy().astype(np.int64) - 3, [(0, 0), (0, 0)] + [(kernel // 2,) * 2] * 2)
    height, width = got.shape[2:]
    total = np.zeros(got.shape, dtype=np.int64) + bias.numpy()[:, None, None]
    for o in range(16):
        first = o // (16 // groups) * (channels // groups)
        for c in range(channels // groups):
            for y in range(kernel):
                for x in range(kernel):
                    rows = padded[:, first + c, y : y + 2 * height - 1 : 2, x : x + width]
                    total[:, o] += rows * int(weight[o, c, y, x])
    expected = _requantize(total, multiplier.numpy()[:, None, None], -7, -100, 90)
    assert np.array_equal(got.numpy(), expected)


def test_sums_that_float32_cannot_hold_are_exact() -> None:
    q = torch.full((1, 4096), 127, dtype=torch.int8)
    weight = torch.full((1, 4096), 127, dtype=torch.int8)
    weight[0, 0] = 126
    total = 4096 * 255 * 127 - 255
    assert int(np.float32(total)) != total
    got = ops.linear_float(q, weight, torch.tensor([1], dtype=torch.int32), torch.ones(1), -128)
    assert got.item() == np.float32(total + 1)


def test_a_linear_layer_is_a_convolution_of_one_pixel() -> None:
    q, weight = _int8(3, 40), _int8(6, 40, seed=1, low=-127)
    bias, multiplier = torch.arange(6, dtype=torch.int32), torch.full((6,), 2e-4)
    as_image = ops.convolution(q[:, :, None, None], weight[:, :, None, None], bias, multiplier, 5, 1)
    assert torch.equal(ops.linear(q, weight, bias, multiplier, 5, 1), as_image[:, :, 0, 0])


def test_quantising_rounds_half_to_even_and_clamps() -> None:
    x = torch.tensor([0.25, 0.75, 1.25, -0.25, 1e9, -1e9, float("nan"), float("inf")])
    assert ops.quantize(x, 0.5, 3).tolist() == [3, 5, 5, 3, 127, -128, 3, 127]
    assert ops.dequantize(torch.tensor([3, 5], dtype=torch.int8), 0.5, 3).tolist() == [0.0, 1.0]


def test_a_sum_of_two_tensors_is_within_half_a_step_of_the_exact_one() -> None:
    a, b = _int8(1000), _int8(1000, seed=1)
    ratio_a, ratio_b, shift = Fraction(1, 3), Fraction(5, 7), 14
    multiplier_a, multiplier_b = round(ratio_a * 2**shift), round(ratio_b * 2**shift)
    zero_a, zero_b, zero_out = 4, -9, 11
    constant = (zero_out << shift) + (1 << (shift - 1)) - zero_a * multiplier_a - zero_b * multiplier_b
    got = ops.add(a, b, multiplier_a, multiplier_b, constant, shift)
    for x, y, sum_ in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
        exact = (x - zero_a) * ratio_a + (y - zero_b) * ratio_b + zero_out
        assert abs(min(max(exact, Fraction(-128)), Fraction(127)) - sum_) <= Fraction(1, 2) + Fraction(512, 2**shift)


def test_products_means_and_tables_follow_their_formulas() -> None:
    a, b = _int8(2, 4, 5, 5), _int8(2, 4, 1, 1, seed=1)
    product = (a.numpy().astype(np.int64) - 2) * (b.numpy().astype(np.int64) + 128)
    expected = _requantize(product, np.float32(0.004), -3, -128, 127)
    assert np.array_equal(ops.multiply(a, b, 2, -128, 0.004, -3).numpy(), expected)
    total = (a.numpy().astype(np.int64) - 2).sum((2, 3))
    expected = _requantize(total, np.float32(0.04), 6, -128, 127)
    assert np.array_equal(ops.mean(a, [2, 3], False, 2, 0.04, 6).numpy(), expected)
    table = _int8(256, seed=2)
    assert torch.equal(ops.lookup(torch.tensor([-128, 0, 127], dtype=torch.int8), table), table[[0, 128, 255]])


@pytest.mark.parametrize("turned", [False, True])
def test_a_product_of_activations_is_that_of_their_values_rounded_once(turned):
    a, b = torch.tensor([[[3, -4]]], dtype=torch.int8), torch.tensor([[[5, 1], [-2, 7]]], dtype=torch.int8)
    wide = (a.double() - 1) @ ((b.double() + 2).mT if turned else b.double() + 2)
    found = ops.product(a, b, 1, -2, 0.25, 3, turned)
    assert torch.equal(found, ((wide * 0.25).round() + 3).to(torch.int8))


def test_shares_of_attention_are_in_256ths():
    scores = torch.tensor([[0, 0, 0, 0], [127, -128, -128, -128]], dtype=torch.int8)
    assert ops.softmax(scores, 0.5).tolist() == [[-64] * 4, [127, -128, -128, -128]]
