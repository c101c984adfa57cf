"""Modules of any signature, compiled: torch is the truth for each of their outputs."""

from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import FeaturePyramidNetwork

from blockfront.signature import Input, Signature
from blockfront.targets import METERS, RunOptions, compile_model, get_target
from blockfront.targets.latency.meters.measure import run_program

pytestmark = pytest.mark.compiles

Detection = namedtuple("Detection", "boxes scores")
WORDS = Signature((Input("ids", (1, 7), "int64", below=50), Input("mask", (1, 7))))
SIDES = Signature((Input("left", (1, 3, 8, 12)), Input("right", (1, 3, 8, 12))))


class Body(nn.Module):
    """Two levels of features, given as `form` has them."""

    def __init__(self, form, in_chs=3):
        super().__init__()
        torch.manual_seed(0)
        self.form = form
        self.stem = nn.Sequential(nn.Conv2d(in_chs, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.deeper = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())

    def forward(self, image):
        fine = self.stem(image)
        return self.form(fine, self.deeper(fine))


class Pyramid(Body):
    """The body of a detector: levels of equal width, as torchvision has them."""

    def __init__(self):
        super().__init__(lambda fine, coarse: {"fine": fine, "coarse": coarse})
        self.pyramid = FeaturePyramidNetwork([8, 16], 8)

    def forward(self, image):
        return self.pyramid(super().forward(image))


class Words(nn.Module):
    """Mean of the words that a mask leaves, and each of them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)

    def forward(self, ids, mask):
        kept = self.table(ids) * mask.unsqueeze(-1)
        return {"words": kept, "logits": self.head(kept.mean(1))}


class Stereo(Body):
    """What two images differ in, and the second image's features."""

    def __init__(self):
        super().__init__(lambda fine, coarse: coarse)

    def forward(self, left, right):
        features = super().forward(right)
        return super().forward(left) - features, features


CASES = {
    "tensor": (Body(lambda fine, coarse: coarse), Signature.image(16), ["output"]),
    "tuple": (Body(lambda fine, coarse: (fine, coarse)), Signature.image(16), ["0", "1"]),
    "list": (Body(lambda fine, coarse: [coarse, fine]), Signature.image(16), ["0", "1"]),
    "dict": (Body(lambda fine, coarse: {"out": coarse, "aux": fine}), Signature.image(16), ["out", "aux"]),
    "nested": (
        Body(lambda fine, coarse: {"levels": [fine, (coarse, None)], "head": Detection(coarse.mean((2, 3)), fine > 1)}),
        Signature.image(16),
        ["levels.0", "levels.1.0", "head.boxes", "head.scores"],
    ),
    "the same twice": (Body(lambda fine, coarse: (coarse, coarse)), Signature.image(16), ["0", "1"]),
    "views": (Body(lambda fine, coarse: (fine, fine.flatten(1), fine[:, 2:5])), Signature.image(16), ["0", "1", "2"]),
    "parts": (Body(lambda fine, coarse: coarse.split([4, 12], 1)), Signature.image(16), ["0", "1"]),
    "a constant": (Body(lambda fine, coarse: (coarse, torch.arange(5.0))), Signature.image(16), ["0", "1"]),
    "whole numbers": (Body(lambda fine, coarse: (coarse, coarse.argmax(1))), Signature.image(16), ["0", "1"]),
    "wide": (Body(lambda fine, coarse: coarse), Signature.image(12, 20), ["output"]),
    "grey": (Body(lambda fine, coarse: coarse, 1), Signature.image(16, channels=1), ["output"]),
    "four channels": (Body(lambda fine, coarse: (fine, coarse), 4), Signature.image(20, 12, 4), ["0", "1"]),
    "a detector's body": (Pyramid(), Signature.image(16, 24), ["fine", "coarse"]),
    "words": (Words(), WORDS, ["words", "logits"]),
    "two images": (Stereo(), SIDES, ["0", "1"]),
}


def flat(returned):
    """The tensors of these tests' modules, in order."""
    if isinstance(returned, torch.Tensor):
        return [returned]
    parts = returned.values() if isinstance(returned, dict) else returned
    return [tensor for part in parts if part is not None for tensor in flat(part)]


@pytest.mark.parametrize("target", ["host", "rk3399"])
@pytest.mark.parametrize("case", CASES)
def test_every_output_is_what_torch_computes(case, target):
    module, signature, names = CASES[case]
    program = compile_model(module, signature, get_target(target), threads=2)
    with torch.no_grad():
        expected = flat(module(*(torch.from_numpy(sample.copy()) for sample in program.inputs)))
    assert program.signature == signature
    assert [output.name for output in program.outputs] == [error.name for error in program.errors] == names
    for output, tensor in zip(program.outputs, expected, strict=True):
        assert (output.shape, output.dtype) == (tensor.shape, str(tensor.numpy().dtype))
        np.testing.assert_allclose(output.array, tensor.numpy(), atol=1e-6)
    assert all(0 <= error.relative <= 1e-5 for error in program.errors)


def test_a_program_gives_all_its_outputs_where_it_is_measured():
    module, signature, names = CASES["nested"]
    program = compile_model(module, signature, get_target("host"), threads=1)
    local, options = METERS["local"], RunOptions(get_target("host"), 1, seconds=0, repeats=2, sample_ms=0.1)
    with local.session(options) as session:
        _, errors = run_program(program, session)
    assert [error.name for error in errors] == names
    assert all(error.agrees for error in errors)
    latency = local.latency(program, options)
    assert latency.max_rel_error == max(error.relative for error in errors)
    assert latency.median_ms > 0


def test_memory_holds_every_input_and_output():
    module, signature, _ = CASES["two images"]
    program = compile_model(module, signature, get_target("host"), threads=1)
    inputs, outputs = 2 * 3 * 8 * 12 * 4, 2 * 16 * 2 * 3 * 4
    assert program.peak_memory_bytes >= inputs + outputs


def test_a_gpus_code_gives_several_outputs_too():
    module, signature, _ = CASES["dict"]
    program = compile_model(module, signature, get_target("jetson_orin_nano_gpu"), seed=0)
    assert [output.name for output in program.outputs] == ["out", "aux"]
    assert program.max_rel_error <= 1e-5
