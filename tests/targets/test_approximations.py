"""Functions written out as arithmetic, against NumPy in double precision."""

import numpy as np
import pytest
import torch
import tvm
from torch import nn
from tvm import relax

from bench.targets import compile_model, get_target
from bench.targets.approximations import LEGALIZATIONS


def computed(operator, values):
    """What the legalised operator gives on this machine."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType([len(values)], "float32"))
    with builder.function("main", [x]):
        builder.emit_func_output(builder.emit(operator(x)))
    module = relax.transform.LegalizeOps(LEGALIZATIONS)(builder.get())
    machine = relax.VirtualMachine(tvm.compile(module, "llvm"), tvm.cpu())
    return machine["main"](tvm.runtime.tensor(values)).numpy()


def test_the_logarithm_is_right_to_the_last_bits_over_all_magnitudes():
    rng = np.random.default_rng(0)
    near_one = rng.uniform(0.5, 2, 5000)
    values = np.concatenate([near_one, np.exp(rng.uniform(-103, 88, 5000)), np.arange(1.0, 400.0)]).astype("float32")
    expected = np.log(values.astype("float64"))
    assert np.abs(computed(relax.op.log, values) - expected).max() < 1e-5
    relative = np.abs(computed(relax.op.log, values) - expected) / np.maximum(np.abs(expected), 1e-30)
    assert relative.max() < 2e-7


@pytest.mark.filterwarnings("ignore:.*encountered in log")
def test_the_logarithm_of_zero_infinity_and_what_has_none_is_numpys():
    values = np.array([0, -0.0, -1, np.inf, -np.inf, np.nan, 1, 1e-45, 3.4e38], "float32")
    np.testing.assert_allclose(computed(relax.op.log, values), np.log(values), rtol=1e-6)


class Chosen(nn.Module):
    """Logarithms where there are any, and elsewhere the numbers themselves."""

    def forward(self, x):
        x = x.flatten(1)
        return torch.where(x > 0, x.log() + x, x)


def test_a_choice_between_two_values_takes_nothing_from_the_other():
    program = compile_model(Chosen(), 7, get_target("host"), threads=1)
    assert program.max_rel_error < 1e-6
    assert program.unscheduled_kernels == ()
