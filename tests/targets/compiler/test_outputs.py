"""How far outputs may be from torch's: each by its own scale and tolerance, whatever the others are."""

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.outputs import OutputError, compare_all, disagreement, torch_outputs, worst

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
    return torch_outputs(Gives(function), signature.random(0), signature)


def host(function, tolerances=None):
    return compile_model(Gives(function), Signature(IMAGE.inputs, tolerances or {}), get_target("host"), threads=1)


def test_an_output_is_kept_as_the_bytes_that_torch_computes():
    (image,) = IMAGE.random(0)
    strided, whole = outputs(lambda x: {"strided": x.permute(0, 2, 3, 1), "whole": x.argmax(1)})
    assert (strided.name, strided.shape, strided.dtype) == ("strided", (1, 8, 8, 3), "float32")
    assert strided.expected == image.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
    assert np.array_equal(whole.array, image.argmax(1).numpy())


def test_a_module_that_works_in_place_leaves_the_sample_alone():
    (image,) = samples = IMAGE.random(0)
    (output,) = torch_outputs(Gives(lambda x: x.relu_()), samples, IMAGE)
    assert torch.equal(image, IMAGE.random(0)[0])
    assert np.array_equal(output.array, image.relu().numpy())


def test_errors_are_those_of_each_output_by_its_own_largest_value():
    large, small = outputs(lambda x: (1000 * torch.sign(x), 0.001 * torch.sign(x)))
    errors = compare_all([large, small], [large.array + np.float32(0.01), small.array * np.float32(1.01)])
    assert [error.absolute for error in errors] == pytest.approx([0.01, 1e-5], rel=1e-2)
    assert [error.relative for error in errors] == pytest.approx([1e-5, 1e-2], rel=1e-2)
    assert worst(errors) == (errors[0].absolute, errors[1].relative)
    assert [error.agrees for error in errors] == [True, False]
    assert disagreement(errors, "here") == "output 1 here differs from torch: relative error 1.0e-02 > 0.0001"
    assert disagreement(errors[:1], "here") is None


def test_what_is_not_a_number_does_not_agree_and_is_the_worst():
    (output,) = outputs(lambda x: x)
    (error,) = compare_all([output], [np.full_like(output.array, np.nan)])
    assert not error.agrees
    assert np.isnan(worst([OutputError("other", 1.0, 1.0, 2.0), error])).all()
    assert worst([]) == (0.0, 0.0)


def test_whole_numbers_must_be_equal():
    (output,) = outputs(lambda x: x.argmax(1))
    other = output.array.copy()
    assert compare_all([output], [other])[0].agrees
    other.flat[0] += 1
    assert not compare_all([output], [other])[0].agrees


def test_another_shape_or_type_is_no_answer():
    (output,) = outputs(lambda x: x)
    for array in (output.array[:, :2], output.array.astype("float64")):
        with pytest.raises(ValueError, match=r"output output is .* torch's is "):
            output.compare(array)


def stale(scale):
    """Gives a large output that is right, and a small one that depends on how often it was asked."""
    calls = []

    def function(x):
        calls.append(x)
        return {"large": 1e3 * x, "small": scale * len(calls) * x}

    return function


@pytest.mark.compiles
def test_a_small_output_that_is_wrong_is_refused_beside_a_large_one_that_is_right():
    with pytest.raises(RunError, match=r"^output small compiled for host differs from torch: relative error .* > 0"):
        host(stale(1e-3))


@pytest.mark.compiles
def test_an_output_may_be_as_far_off_as_its_own_tolerance_says():
    # The second call is traced: twice what torch gave in the first.
    program = host(stale(1e-3), {"small": 1.5})
    errors = {error.name: error for error in program.errors}
    assert errors["large"].relative <= 1e-6
    assert (errors["small"].relative, errors["small"].tolerance) == (pytest.approx(1), 1.5)
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
