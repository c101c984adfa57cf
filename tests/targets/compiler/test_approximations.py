"""Functions that TVM would leave to libm: close to it everywhere, and no call of it."""

from functools import partial

import numpy as np
import pytest
import torch
import tvm
from torch import nn
from torch.nn import functional
from tvm import te

from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.approximations import fast_log

EDGES = [0.0, -0.0, 1e-45, 1.1754942e-38, 0.70710677, 0.70710678, 1.0, 3.4028235e38, np.inf, -np.inf, np.nan, -3.0]


def test_the_logarithm_is_within_three_in_ten_million_of_numpys_on_all_kinds_of_floats():
    positive = np.random.default_rng(0).integers(1, 0x7F800000, 100_000, dtype=np.int32).view(np.float32)
    values = np.concatenate([positive, np.linspace(0.7, 1.4, 10_001, dtype=np.float32), np.float32(EDGES)])
    x = te.placeholder(values.shape, "float32")
    kernel = tvm.compile(te.create_prim_func([x, fast_log(x)]), tvm.target.Target("llvm"))
    found = tvm.runtime.empty(values.shape, "float32")
    kernel(tvm.runtime.tensor(values), found)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log(values.astype(np.float64))
    np.testing.assert_allclose(found.numpy(), expected, rtol=3e-7)


class Each(nn.Module):
    """Functions one after the other, each on the image."""

    def __init__(self, *functions) -> None:
        super().__init__()
        self.functions = functions

    def forward(self, x):
        return torch.cat([function(x) for function in self.functions])


ACTIVATIONS = {
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "selu": functional.selu,
    "celu": functional.celu,
    "elu": functional.elu,
    "softplus": functional.softplus,
    "softplus of other values": partial(functional.softplus, beta=3.0, threshold=2.0),
    "logsigmoid": functional.logsigmoid,
    "softmax": partial(functional.softmax, dim=-1),
    "log_softmax": partial(functional.log_softmax, dim=-1),
    "logsumexp": partial(torch.logsumexp, dim=-1, keepdim=True),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "exp and log": lambda x: (x.exp() + 1).log(),
    **{f"power {k}": partial(lambda x, k: x**k, k=k) for k in (2, 3, 4, 5, 6, 7, 8)},
    **{
        f"power {k} of what is positive": partial(lambda x, k: (x * x + 0.5) ** k, k=k) for k in (0.5, -0.5, -1, -2, -3)
    },
}


@pytest.mark.compiles
@pytest.mark.parametrize("target", ["rk3399", "visionfive2"])
def test_code_for_a_board_calls_nothing_of_libm(target):
    """A call for each element would be slow."""
    for name, function in ACTIVATIONS.items():
        program = compile_model(Each(function), Signature.image(12), get_target(target))
        for called in (b"expf", b"logf", b"log1pf", b"expm1f", b"tanhf", b"erff", b"powf"):
            assert not any(b"\0" + called + b"\0" in code for code in program.objects), (name, called)


@pytest.mark.compiles
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_torchs_within_two_millionths_of_the_largest_near_zero_and_far_from_it(name):
    """Inputs are normal numbers; forty times them are beyond where exponentials overflow."""
    far = 20 if name == "exp and log" else 40
    for times in (1, far):
        program = compile_model(
            Each(lambda x, f=ACTIVATIONS[name], n=times: f(n * x)), Signature.image(40), get_target("host")
        )
        assert program.max_rel_error <= 2e-6
