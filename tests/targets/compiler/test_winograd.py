"""Which way a dense 3 × 3 convolution is computed."""

import pytest
from torch import nn

from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.winograd import fastest_tile

# Milliseconds by the direct convolution, F(2 × 2) and F(4 × 4), predicted by emulation for an RK3399 on one thread.
PREDICTED = {
    (512, 7): (22.01, 14.04, 12.67),
    (256, 14): (22.14, 11.73, 9.12),
    (128, 28): (26.77, 12.27, 7.76),
    (64, 56): (17.39, 18.66, 10.37),
    (16, 112): (4.11, 12.75, 6.5),
    (32, 56): (4.32, 6.48, 3.85),
    (64, 4): (0.1, 0.08, 0.1),
    (512, 4): (7.11, 4.06, 5.32),
}


@pytest.mark.parametrize(("channels", "pixels"), PREDICTED)
def test_the_way_that_emulation_finds_fastest_is_taken(channels, pixels):
    ways = dict(zip((None, 2, 4), PREDICTED[channels, pixels], strict=True))
    assert fastest_tile(pixels, pixels, channels, channels, get_target("rk3399"), 1) == min(ways, key=ways.get)


@pytest.mark.compiles
def test_a_batch_is_convolved_image_by_image():
    model = nn.Conv2d(64, 64, 3, padding=1).eval()
    program = compile_model(model, Signature.image(14, channels=64).batched(2), get_target("host"), threads=1)
    assert {kernel.rule for kernel in program.kernels} >= {"contraction"}
    assert program.max_rel_error < 1e-5
