"""Compiled integer code equals torch's bit for bit: a module with each operator gives every int8 tensor it makes."""

import pytest
import torch
from torch import nn

import blockfront.integer  # noqa: F401 - which makes the operators
from blockfront.errors import RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.importing.support import name_of
from blockfront.targets.hardware.integer import require_int8

Q = torch.ops.blockfront
IMAGE = Signature.image(20)


class Layer(nn.Module):
    """Random int8 weights of a shape, and multipliers that let results fill a byte's range."""

    def __init__(self, *shape: int, operator: str, **options: object) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(sum(shape))
        self.operator, self.options = getattr(Q, operator), options
        products = torch.Size(shape[1:]).numel()
        self.register_buffer("weight", torch.randint(-127, 128, shape, generator=draw).to(torch.int8))
        self.register_buffer("bias", torch.randint(-500, 500, shape[:1], generator=draw).to(torch.int32))
        self.register_buffer("multiplier", (torch.rand(shape[0], generator=draw) + 0.5) / (110 * products**0.5))

    def forward(self, q):
        return self.operator(q, self.weight, self.bias, self.multiplier, input_zero_point=3, **self.options)


def convolution(outputs: int, inputs: int, kernel: int, **options: object) -> Layer:
    return Layer(outputs, inputs, kernel, kernel, operator="convolution", output_zero_point=-5, **options)


class Network(nn.Module):
    """Channels that fill words and vectors and such that do not, in a chain; each step by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(16, 3, 3, stride=[2, 2], padding=[1, 1], low=-5)
        self.depthwise = convolution(16, 1, 3, padding=[1, 1], groups=16)
        self.pointwise = convolution(24, 16, 1)
        self.wide_depthwise = convolution(24, 1, 5, stride=[2, 2], padding=[2, 2], groups=24, high=90)
        self.grouped = convolution(48, 8, 3, padding=[2, 2], dilation=[2, 2], groups=3)
        self.odd_groups = convolution(12, 2, 3, groups=6)
        self.odd = convolution(7, 10, 1)
        self.squeeze = Layer(10, 48, operator="linear", output_zero_point=4)
        self.expand = Layer(48, 10, operator="linear", output_zero_point=-2)
        self.logits = Layer(10, 48, operator="linear_float")
        table = torch.randint(-128, 128, (256,), generator=torch.Generator().manual_seed(0))
        self.register_buffer("table", table.to(torch.int8))

    def forward(self, x):
        made = {"quantized": Q.quantize(x, 0.03, 10)}
        made["stem"] = self.stem(made["quantized"])
        made["looked_up"] = Q.lookup(made["stem"], self.table)
        made["depthwise"] = self.depthwise(made["looked_up"])
        made["pointwise"] = self.pointwise(made["depthwise"])
        y = made["wide_depthwise"] = self.wide_depthwise(made["pointwise"])
        halved = nn.functional.max_pool2d(made["pointwise"], 3, 2, 1)
        y = made["added"] = Q.add(y, halved, 9132, -7001, 12345, 14, -128, 120)
        y = torch.cat([y, Q.lookup(y, self.table)], 1)
        made["shuffled"] = y = nn.functional.channel_shuffle(y, 2)
        made["pooled"] = nn.functional.max_pool2d(y, 3, 1, 1)
        left, right = y.chunk(2, 1)
        made["odd_groups"] = self.odd_groups(left[:, :12])
        made["odd"] = self.odd(right[:, 3:13])
        y = made["grouped"] = self.grouped(right)
        gate = made["squeezed"] = self.squeeze(Q.mean(y, [2, 3], False, -5, 3 / y[0, 0].numel(), 0))
        gate = self.expand(Q.lookup(gate, self.table))
        y = made["excited"] = Q.multiply(y, gate[:, :, None, None], -5, -2, 0.01, 3)
        made["real"] = Q.dequantize(y, 0.1, 3)
        made["logits"] = self.logits(Q.mean(y, [2, 3], True, 3, 3 / y[0, 0].numel(), 3).flatten(1))
        return made


@pytest.mark.compiles
@pytest.mark.parametrize(
    "target", ["host", "host_avx2", "rpi4", "rpi5", "odroid_xu4", "spacemit_k1", "nrf52840", "mps3_an547"]
)
def test_every_tensor_that_a_quantised_network_makes_is_torchs_bit_for_bit(target):
    program = compile_model(Network(), IMAGE, get_target(target), threads=1)
    errors = {error.name: error for error in program.errors}
    for name in ("real", "logits"):
        assert errors.pop(name).relative < 1e-6
    assert {(error.tolerance, error.absolute) for error in errors.values()} == {(0.0, 0.0)}
    assert program.unscheduled_kernels == ()


@pytest.mark.compiles
def test_what_stays_a_float_may_be_as_large_as_floats_are_and_what_becomes_a_byte_may_not():
    """Networks with random weights, such as MobileOne's, end with logits of 10¹²."""

    class Ends(nn.Module):
        def __init__(self, **options: object) -> None:
            super().__init__()
            self.layer = Layer(10, 48, **options)
            self.layer.multiplier.mul_(1e12)

        def forward(self, x):
            return self.layer(Q.quantize(x, 0.03, 10).mean(-1, dtype=torch.float32).flatten(1)[:, :48].to(torch.int8))

    signature = Signature.image(20)
    (error,) = compile_model(Ends(operator="linear_float"), signature, get_target("host"), threads=1).errors
    assert error.relative < 1e-6
    with pytest.raises(RunError, match="do not fit 32 bits"):
        compile_model(Ends(operator="linear", output_zero_point=4), signature, get_target("host"), threads=1)


def test_a_processor_without_products_of_bytes_is_refused_before_anything_is_compiled():
    without_vectors = get_target("visionfive2")
    with pytest.raises(UsageError, match="visionfive2 has no instruction that int8 kernels use"):
        require_int8(without_vectors)
    with pytest.raises(UsageError, match="float32"):
        compile_model(Network(), IMAGE, without_vectors)


def test_an_operator_of_quantised_networks_is_not_taken_for_torchs_of_the_same_name():
    assert name_of(torch.ops.aten.linear.default) == "linear.default"
    assert name_of(Q.linear.default) == "blockfront.linear.default"
