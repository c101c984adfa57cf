"""How far outputs may be from torch's: each by its own scale and tolerance, whatever the others are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.agreement.outputs import OutputError, compare_all, disagreement, torch_outputs, worst
from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target

IMAGE = Signature.image(8)


class Gives(nn.Module):
    """What a function makes of the image."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, image):
        return self.function(image)


def outputs(function, tolerances=None):
    signature = Signature(IMAGE.inputs, tolerances or {})
    return torch_outputs(Gives(function), signature)


def host(function, tolerances=None):
    return compile_model(Gives(function), Signature(IMAGE.inputs, tolerances or {}), get_target("host"), threads=1)


def test_an_output_is_kept_as_the_bytes_that_torch_computes_in_float64():
    (image,) = IMAGE.random(0)
    strided, whole = outputs(lambda x: {"strided": x.permute(0, 2, 3, 1), "whole": x.argmax(1)})
    assert (strided.name, strided.shape, strided.dtype) == ("strided", (1, 8, 8, 3), "float32")
    assert strided.expected == image.permute(0, 2, 3, 1).double().contiguous().numpy().tobytes()
    assert np.array_equal(whole.array, image.argmax(1).numpy())


def test_a_module_that_works_in_place_leaves_the_sample_alone():
    (image,) = IMAGE.random(0)
    (output,) = outputs(lambda x: x.relu_())
    assert np.array_equal(output.array, image.relu().numpy())


def test_errors_are_those_of_each_output_by_its_own_largest_value():
    large, small = outputs(lambda x: (1000 * torch.sign(x), 0.001 * torch.sign(x)))
    computed = [(large.array + 0.001).astype("float32"), (small.array * 1.01).astype("float32")]
    errors = compare_all([large, small], computed)
    assert [error.absolute for error in errors] == pytest.approx([0.001, 1e-5], rel=5e-2)
    assert [error.relative for error in errors] == pytest.approx([1e-6, 1e-2], rel=5e-2)
    assert worst(errors) == (errors[0].absolute, errors[1].relative, max(large.torch_error, small.torch_error))
    assert [error.agrees for error in errors] == [True, False]
    assert (
        disagreement(errors, "here")
        == "output 1 here differs from torch: relative error 1.0e-02 > 5.0e-06; torch's own in float32 is 4.7e-08"
    )
    assert disagreement(errors[:1], "here") is None


def test_what_is_not_a_number_does_not_agree_and_is_the_worst():
    (output,) = outputs(lambda x: x)
    (error,) = compare_all([output], [np.full(output.shape, np.nan, "float32")])
    assert not error.agrees
    assert np.isnan(worst([OutputError("other", 1.0, 1.0, 2.0), error])[:2]).all()
    assert worst([]) == (0.0, 0.0, None)


def test_whole_numbers_must_be_equal():
    (output,) = outputs(lambda x: x.argmax(1))
    other = output.array.copy()
    assert compare_all([output], [other])[0].agrees
    other.flat[0] += 1
    assert not compare_all([output], [other])[0].agrees
    labels = replace(output, tolerance=1 / other.size)
    assert compare_all([labels], [other])[0].relative == 1 / other.size
    assert labels.compare(other).agrees
    other.flat[1] += 1
    assert not labels.compare(other).agrees


def test_another_shape_or_type_is_no_answer():
    (output,) = outputs(lambda x: x)
    for array in (output.array.astype("float32")[:, :2], output.array):
        with pytest.raises(ValueError, match=r"output output is .* torch's is "):
            output.compare(array)


def stale(scale):
    """Gives a large output that is right, and a small one that is a quarter of itself where it is traced."""
    calls = []

    def function(x):
        calls.append(x)
        return {"large": 1e3 * x, "small": scale * (1 if len(calls) == 1 else 4) * x}

    return function


@pytest.mark.compiles
def test_a_small_output_that_is_wrong_is_refused_beside_a_large_one_that_is_right():
    with pytest.raises(RunError, match=r"^output small compiled for host differs from torch: relative error .* > 5"):
        host(stale(1e-3))


@pytest.mark.compiles
def test_an_output_may_be_as_far_off_as_its_own_tolerance_says():
    # The first call is traced.
    program = host(stale(1e-3), {"small": 1.5})
    errors = {error.name: error for error in program.errors}
    assert errors["large"].relative <= 1e-6
    assert (errors["small"].relative, errors["small"].tolerance) == (pytest.approx(0.75), 1.5)
    assert program.max_rel_error == errors["small"].relative
    assert program.max_abs_error == max(error.absolute for error in program.errors)


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: (x + 1, 3.0), "output 1 of the module is a float, not a tensor"),
        (lambda x: {"shape": x.shape, "y": x}, "output shape.0 of the module is a int, not a tensor"),
        (lambda x: "text", "the module returns a str, not a tensor"),
        (lambda x: (None, None), "the module returns a tuple without a tensor in it"),
        (lambda x: None, "the module returns a NoneType without a tensor in it"),
        (lambda x: {"a.b": x + 1, "a": {"b": x}}, "2 outputs of the module are called a.b"),
        (lambda x: x, "the module computes nothing from its inputs"),
    ],
)
def test_what_is_not_made_of_tensors_is_refused_in_one_line(function, expected):
    with pytest.raises(RunError, match=expected) as caught:
        host(function)
    assert "\n" not in str(caught.value)


def test_a_tolerance_of_no_output_is_told():
    with pytest.raises(RunError, match="there is a tolerance for 'boxs', and the outputs are boxes, scores"):
        host(lambda x: {"boxes": x + 1, "scores": x * 2}, {"boxs": 1e-3})


class Weights(nn.Module):
    """Everything that holds a number of float32: a parameter, a buffer, a plain tensor, code that names it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 8, 3)
        self.register_buffer("shift", torch.rand(8, 1, 1))
        self.scale = torch.rand(8, 1, 1)

    def forward(self, x):
        y = self.convolution(x) * self.scale + self.shift
        return (y.float().to(torch.float32) + torch.ones(1, dtype=torch.float32) / 3).softmax(1, dtype=torch.float32)


def test_the_truth_is_float64_throughout_and_the_module_is_as_it_was():
    module = Weights().eval()
    held = [*module.parameters(), module.shift, module.scale]
    kept = [tensor.clone() for tensor in held]
    (output,) = torch_outputs(module, IMAGE)
    twin = Weights().double()
    (x,) = IMAGE.random(0)
    y = (twin.convolution(x.double()) * twin.scale.double() + twin.shift + torch.tensor(1).double() / 3).softmax(1)
    np.testing.assert_allclose(output.array, y.detach().numpy(), rtol=1e-14)
    assert 1e-9 < output.torch_error < 1e-6
    assert output.tolerance == max(20 * output.torch_error, 5e-6)
    now = [*module.parameters(), module.shift, module.scale]
    assert all(one is other for one, other in zip(held, now, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(kept, now, strict=True))
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(
    ("function", "tolerance"),
    [
        (lambda x: torch.matmul(x, torch.from_numpy(np.ones((8, 8), "float32"))), 1e-4),
        (lambda x: x.half(), 2 * 2.0**-10),
    ],
    ids=["fails in float64", "is of another type in float64"],
)
def test_what_does_not_run_in_float64_has_a_fixed_tolerance(function, tolerance):
    (output,) = outputs(function)
    assert (output.reference, output.torch_error, output.tolerance) == (output.dtype, None, tolerance)


def test_what_rounding_amplifies_may_be_further_off():
    (output,) = outputs(lambda x: ((x + 1e4) - 1e4).softmax(1))
    assert output.torch_error > 1e-5
    assert output.tolerance == 20 * output.torch_error


def test_an_error_as_large_as_what_the_inputs_change_does_not_hide_behind_a_constant():
    def nearly_constant(x):
        return 1 + 3e-6 * torch.tanh(x)

    (output,) = outputs(nearly_constant)
    assert not output.compare(nearly_constant(IMAGE.random(1)[0]).numpy()).agrees


@pytest.mark.parametrize(
    ("bits", "allowed"),
    [
        (10, lambda change: 5e-6),
        (18, lambda change: change / 10),
        (21, lambda change: 2**-20),
        (23, lambda change: change / 2),
    ],
)
def test_what_float32_does_not_resolve_need_not_be_seen_unless_it_is_half_of_the_change(bits, allowed):
    """Scores of a new detector are a bias and what little the image adds to it; here float32 rounds nothing."""

    def score(x):
        return 1 + torch.round(2 * x) * 2**-bits

    (output,) = outputs(score)
    one, other = (score(IMAGE.random(seed)[0]) for seed in (0, 1))
    change = float((one - other).abs().max() / one.abs().max())
    assert output.torch_error == 0
    assert output.tolerance == pytest.approx(allowed(change), rel=1e-3)
    assert not output.compare(other.numpy()).agrees


@pytest.mark.parametrize(
    "function",
    [lambda x: 0 * x, lambda x: torch.ones(3), lambda x: (0 * x, torch.arange(4)), lambda x: (x > -100).all()],
)
def test_outputs_that_are_all_the_same_for_other_inputs_prove_nothing(function):
    with pytest.raises(RunError, match="the same for other inputs, so to agree with torch proves nothing: give a"):
        outputs(function)


def test_a_constant_beside_others_is_compared():
    _, anchors = outputs(lambda x: (x, torch.arange(4.0) / 3))
    assert not anchors.compare(anchors.array.astype("float32") + np.float32(0.01)).agrees


def test_what_is_not_finite_is_told():
    with pytest.raises(RunError, match="torch's output 1 is not finite on random inputs"):
        outputs(lambda x: (x, (0 * x).log()))
