"""C libraries of quantised networks run as code of processors of every kind, and give what torch's integers give."""

import pytest
import torch

from blockfront.design_space import Network
from blockfront.targets import Microcontroller, compile_model, get_processor
from blockfront.targets.library import make_library, run_library
from blockfront.targets.library.firmware import emulates
from blockfront.targets.quantization import quantize_untrained

NETWORK = Network.parse(
    "cnn_16_n10/stem_k3_s2_c8_nrelu/ir_se_r1_k5_s2_e2_c12_se0.25_nhardswish/shufflenet_v2_r1_s2_c16/head"
)
"""Dense, depthwise, grouped and linear layers, tables, means, sums and products of bytes."""


@pytest.mark.compiles
@pytest.mark.emulates
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("nrf52840", marks=pytest.mark.long),
        "stm32h743",
        pytest.param("mps3_an547", marks=pytest.mark.long),
        pytest.param("rpi4", marks=pytest.mark.long),
        pytest.param("rpi5", marks=pytest.mark.long),
        "spacemit_k1",
    ],
)
def test_a_processors_own_products_of_bytes_are_torchs(emulators, name, tmp_path):
    target = get_processor(name)
    if isinstance(target, Microcontroller) and not emulates(target):
        pytest.skip("qemu-system-arm is missing")
    torch.manual_seed(0)
    module = quantize_untrained(NETWORK.deployed(), NETWORK.signature, 0)
    program = compile_model(module, module.bounded(NETWORK.signature, 0), target, threads=1, alone=True)
    assert program.unscheduled_kernels == ()
    ran = run_library(make_library(program, target, tmp_path), program, target, tmp_path)
    assert ran.where == "under QEMU"
    assert max(error.relative for error in ran.errors) < 1e-6
