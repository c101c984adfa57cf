"""Functions that TVM would leave to libm: close to it everywhere, and no call of it."""

import numpy as np
import pytest
import torch
import tvm
from torch import nn
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


class Transcendental(nn.Module):
    def forward(self, x):
        x = torch.nn.functional.gelu(x).exp().log() + x.sigmoid().tanh().erf()
        return torch.nn.functional.silu(x).softmax(-1)


@pytest.mark.compiles
@pytest.mark.parametrize("target", ["rk3399", "visionfive2"])
def test_code_for_a_board_calls_nothing_of_libm(target):
    """The profiler's harness has no C library, and a board's own would be slow."""
    program = compile_model(Transcendental(), Signature.image(12), get_target(target))
    for function in ("expf", "logf", "tanhf", "erff"):
        assert not any(b"\0" + function.encode() + b"\0" in code for code in program.objects), function
