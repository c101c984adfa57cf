"""Costs of layers and networks: by hand on an array that never waits, and as ZigZag's own interface gives them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import zigzag
from torch import nn
from torchvision import models
from zigzag.api import get_hardware_performance_zigzag
from zigzag.parser.onnx.onnx_model_parser import ONNXModelParser
from zigzag.workload.layer_node import LayerNode

from blockfront.signature import Signature
from blockfront.targets import HARDWARE, METERS, TOOLCHAINS, Accelerator, Asked, choose
from blockfront.targets.latency.accelerators import Layer, make_workload, simulator
from blockfront.targets.latency.accelerators.layers import product
from blockfront.targets.latency.accelerators.simulator import layer_cost, simulate

INPUTS = Path(zigzag.__file__).parent / "inputs"
SIMULATED, ZIGZAG = METERS["simulated"], TOOLCHAINS["zigzag"]


def convolution(out_chs, in_chs, size, kernel=1, groups=1):
    around = ((kernel // 2, kernel // 2),) * 2
    return Layer("Conv", groups, out_chs, in_chs, (size, size), (size, size), (kernel, kernel), padding=around)


@pytest.mark.parametrize(
    ("layer", "cycles"),
    [
        # Every multiply-adder works in every cycle: MACs over 64.
        (convolution(8, 8, size=16), 16 * 16),
        (convolution(16, 32, size=16), 2 * 4 * 16 * 16),
        (convolution(8, 8, size=8, kernel=3), 9 * 8 * 8),
        # A depthwise layer has one input and one output channel a group: one multiply-adder of 64 works.
        (convolution(1, 1, size=8, kernel=3, groups=64), 64 * 9 * 8 * 8),
        # Nine output channels are two rounds of eight.
        (convolution(9, 8, size=16), 2 * 16 * 16),
        (product("Gemm", 1, 1, 64, 32), 8 * 4),
    ],
)
def test_an_array_that_never_waits_takes_the_cycles_its_utilisation_gives(layer, cycles, square, options):
    # The first operands arrive and the last outputs leave in cycles of their own.
    assert cycles < simulate(layer, square, options.description).cycles <= cycles + 2


def test_a_depthwise_layer_on_the_edge_tpu_like_keeps_one_sixty_fourth_of_the_array():
    """Of 8 × 8 × 4 × 4, channels use 1 × 1 and pixels 4 × 4."""
    accelerator = HARDWARE["edge_tpu_like"]
    layer = convolution(1, 1, size=56, kernel=3, groups=96)
    cycles = simulate(layer, accelerator, accelerator.describe()).cycles
    assert layer.macs / 16 <= cycles < 1.5 * layer.macs / 16


@pytest.mark.parametrize(("model", "file"), [("mobilenet_v2", "mobilenetv2"), ("resnet18", "resnet18")])
def test_layers_are_those_that_zigzag_reads_from_its_own_workloads(model, file):
    graph = onnx.load(INPUTS / "workload" / f"{file}.onnx", load_external_data=False)
    theirs = ONNXModelParser(graph, str(INPUTS / "mapping" / "edge_tpu_like.yaml")).run()
    expected = []
    for node in theirs.topological_sort():
        if isinstance(node, LayerNode):
            sizes = {str(dimension): size for dimension, size in node.layer_dim_sizes.items()}
            # A product of D rows is a convolution of as many pixels.
            sizes["OX"] = sizes.pop("D", sizes.get("OX", 1))
            expected.append(tuple(sizes.get(name, 1) for name in ("G", "K", "C", "OY", "OX", "FY", "FX")))
    ours = [
        (layer.groups, layer.out_chs, layer.in_chs, *layer.size, *layer.kernel)
        for layer, calls in make_workload(getattr(models, model)(weights=None), Signature.image(224)).layers.items()
        for _ in range(calls)
    ]
    assert sorted(ours) == sorted(expected)


THEIRS = {
    "operator_type": "Conv",
    "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
    "loop_dims": ["B", "K", "G", "OX", "OY", "C", "FX", "FY"],
    "pr_loop_dims": ["IX", "IY"],
}


@pytest.mark.parametrize("name", ["edge_tpu_like", "tpu_like"])
@pytest.mark.parametrize(
    ("layer", "described"),
    [
        (
            convolution(160, 576, size=7),
            THEIRS
            | {
                "loop_sizes": [1, 160, 1, 7, 7, 576, 1, 1],
                "dimension_relations": ["ix=1*ox+1*fx", "iy=1*oy+1*fy"],
                "pr_loop_sizes": [7, 7],
                "padding": [[0, 0], [0, 0]],
            },
        ),
        (
            Layer("Conv", 144, 1, 1, (28, 28), (56, 56), (3, 3), (2, 2), padding=((1, 1), (1, 1))),
            THEIRS
            | {
                "loop_sizes": [1, 1, 144, 28, 28, 1, 3, 3],
                "dimension_relations": ["ix=2*ox+1*fx", "iy=2*oy+1*fy"],
                "pr_loop_sizes": [56, 56],
                "padding": [[1, 1], [1, 1]],
            },
        ),
        (
            product("Gemm", 1, 1, 1280, 1000),
            {
                "operator_type": "Gemm",
                "equation": "O[d][k]+=I[d][c]*W[c][k]",
                "dimension_relations": [],
                "loop_dims": ["C", "D", "K"],
                "loop_sizes": [1280, 1, 1000],
            },
        ),
    ],
)
def test_a_layer_of_mobilenet_v2_costs_what_zigzags_own_interface_says(name, layer, described):
    precision = {"W": 8, "I": 8, "O_final": 8, "O": 16}
    workload = [
        {"id": 0, "name": "one", "operand_precision": precision, "operand_source": {"W": 0, "I": 0}, **described}
    ]
    accelerator = replace(HARDWARE[name], loops=4)
    with tempfile.TemporaryDirectory() as folder:
        energy, cycles, _ = get_hardware_performance_zigzag(
            workload,
            str(INPUTS / "hardware" / f"{name}.yaml"),
            str(INPUTS / "mapping" / f"{name}.yaml"),
            lpf_limit=accelerator.loops,
            dump_folder=folder,
            loma_show_progress_bar=False,
        )
    cost = simulate(layer, accelerator, accelerator.describe())
    assert cost.cycles == cycles
    assert cost.energy_pj == pytest.approx(energy, rel=1e-12)


def test_a_layer_is_simulated_once(square, options, monkeypatch):
    layer = convolution(24, 8, size=4)
    first = layer_cost(layer, square, options.description)
    monkeypatch.setattr(simulator, "simulate", lambda *_: pytest.fail("simulated again"))
    assert layer_cost(layer, square, options.description) == first
    # The name and the clock do not matter, the files, the search and the number format do.
    assert layer_cost(layer, replace(square, name="other", clock_ghz=2.0), options.description) == first
    for other in (replace(square, loops=3), replace(square, bits=16)):
        with pytest.raises(pytest.fail.Exception):
            layer_cost(layer, other, options.description)
    changed = replace(options.description, hardware=options.description.hardware.replace("0.25", "0.5"))
    with pytest.raises(pytest.fail.Exception):
        layer_cost(layer, square, changed)


def test_a_network_costs_its_layers_and_what_the_rest_moves(options):
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.MaxPool2d(2), nn.Conv2d(8, 8, 1))
    latency = SIMULATED.latency(ZIGZAG.prepare(module.eval(), Signature.image(32), options, 0), options)
    layers = [convolution(8, 3, 32), convolution(8, 8, 32), convolution(8, 8, 16)]
    costs = [simulate(layer, options.target, options.description) for layer in layers]
    # Pooling reads 8 × 32 × 32 bytes at 4096 bits a cycle while it writes a quarter of them at 2048.
    moved_cycles, moved_pj = 16, 16 * 100 + 8 * 200
    cycles = sum(cost.cycles for cost in costs) + moved_cycles
    assert latency.median_ms == pytest.approx(cycles / 1e9 * 1e3)
    assert latency.energy_mj == pytest.approx((sum(cost.energy_pj for cost in costs) + moved_pj) * 1e-9)
    assert (latency.source, latency.runner, latency.predictor) == ("simulated", "simulated", "zigzag")
    assert latency.precision == "int8"
    assert latency.coverage.macs == 1
    assert latency.coverage.activations == (8192 + 8192 + 2048) / (8192 + 8192 + 2048 + 2048)
    kernels = {kernel.name: kernel for kernel in latency.kernels}
    assert kernels["max_pool2d"].rule == "moves"
    assert kernels["max_pool2d"].energy_mj == pytest.approx(moved_pj * 1e-9)
    assert sum(kernel.share for kernel in latency.kernels) == pytest.approx(1)
    assert sum(kernel.ms for kernel in latency.kernels) == pytest.approx(latency.median_ms)


def test_a_memory_with_one_port_reads_and_writes_in_turn():
    options = choose(Asked(HARDWARE["edge_tpu_like"])).options
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.MaxPool2d(2))
    latency = SIMULATED.latency(ZIGZAG.prepare(module.eval(), Signature.image(16), options, 0), options)
    pooling = next(kernel for kernel in latency.kernels if kernel.name == "max_pool2d")
    # 2048 and 512 bytes at 8 bytes a cycle of 2 ns; 700 pJ a read and 750 a write.
    assert pooling.ms == pytest.approx((256 + 64) * 2e-6)
    assert pooling.energy_mj == pytest.approx((256 * 700 + 64 * 750) * 1e-9)


def test_twice_the_clock_is_half_the_time_and_the_same_energy(options):
    module = nn.Conv2d(3, 8, 3).eval()
    program = ZIGZAG.prepare(module, Signature.image(16), options, 0)
    fast = replace(options, target=replace(options.target, clock_ghz=2.0))
    slow_latency, fast_latency = SIMULATED.latency(program, options), SIMULATED.latency(program, fast)
    assert fast_latency.median_ms == pytest.approx(slow_latency.median_ms / 2)
    assert fast_latency.energy_mj == slow_latency.energy_mj
    assert SIMULATED.prediction(fast).model != SIMULATED.prediction(options).model


@pytest.mark.parametrize("name", [name for name, one in HARDWARE.items() if isinstance(one, Accelerator)])
def test_every_accelerator_takes_the_kinds_of_layer(name):
    options = choose(Asked(HARDWARE[name])).options
    for layer in (convolution(4, 3, 4), convolution(1, 1, 4, kernel=3, groups=6), product("MatMul", 2, 4, 8, 4)):
        cost = layer_cost(layer, options.target, options.description)
        assert cost.cycles > 0
        assert cost.energy_pj > 0
