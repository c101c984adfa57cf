"""Networks on Ethos-U: files that LiteRT computes as the int8 network does, and what Arm's compiler says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from blockfront.blocks import BLOCKS, deploy
from blockfront.design_space.models import find_model
from blockfront.errors import RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import HARDWARE, Asked, EthosU, choose
from blockfront.targets.latency.ethos import writer
from blockfront.targets.latency.ethos.network import make_tflite

pytest.importorskip("ethosu")
pytest.importorskip("ai_edge_litert")

U55 = HARDWARE["ethos_u55_128"]
FAMILIES = [name for name, block in BLOCKS.items() if block.cls.__module__.startswith("blockfront.blocks")]


class Mixed(nn.Module):
    """Operators that no family has, or has in another form."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.dilated = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16)
        self.grouped = nn.Conv2d(16, 24, 3, padding=1, groups=4)
        self.squeeze = nn.Conv2d(24, 24, 1)
        self.tall = nn.Conv2d(24, 24, (3, 1))
        self.head = nn.Linear(24, 10)

    def forward(self, image):
        x = F.relu6(self.stem(image))
        x = F.leaky_relu(self.dilated(F.max_pool2d(x, 3, 2, padding=1)), 0.1)
        x = torch.tanh(self.grouped(F.pad(x, (1, 0, 2, 1))))
        x = x * torch.sigmoid(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = self.tall(F.avg_pool2d(x, 2)[:, :, 1:])
        a, b = F.channel_shuffle(x, 3).split([8, 16], 1)
        return self.head(torch.cat([F.relu(b), a], 1).mean((2, 3)))


@pytest.fixture(scope="module")
def mixed():
    torch.manual_seed(0)
    return make_tflite(Mixed().eval(), Signature.image(32), 0)


@pytest.fixture(scope="module")
def estimated(mixed):
    """What Arm's compiler says of it on three NPUs."""
    names = ("ethos_u55_128", "ethos_u55_256", "ethos_u85_256")
    return {name: choose(Asked(HARDWARE[name])).latency(mixed) for name in names}


def test_each_operator_is_within_the_steps_that_its_rounding_explains(mixed):
    assert 1 <= mixed.steps <= 2
    assert mixed.snr_db > 10


def test_macs_are_those_of_the_layers(mixed):
    by_hand = 16 * 16 * 16 * 27 + 16 * 8 * 8 * 9 + 24 * 11 * 9 * 36 + 24 * 24 + 24 * 2 * 4 * 24 * 3 + 240
    assert sum(mixed.macs.values()) - by_hand == 24 * 5 * 4 * 4, "the average pool is a depthwise convolution"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_computed_as_its_int8_network(family):
    torch.manual_seed(0)
    block = BLOCKS[family].cls
    ends = nn.Conv2d(3, 16, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)
    network = nn.Sequential(ends[0], nn.ReLU(), block(16, 24, 2), block(24, 24, 1), *ends[1:])
    made = make_tflite(deploy(network.eval()), Signature.image(32), 0)
    assert made.steps <= 2
    assert sum(made.macs.values()) > 0


class Attending(nn.Module):
    """A transformer's block: attention and GELU are of int8s on an NPU, the norm stays float32."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 16, 4, stride=4), nn.LayerNorm(16)
        self.qkv, self.up, self.down = nn.Linear(16, 48), nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, image):
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        split = self.qkv(self.norm(tokens)).reshape(1, 64, 3, 2, 8).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(1, 64, 16)
        return self.down(F.gelu(self.up(tokens + attended)).mean(1))


@pytest.mark.processes
def test_floats_between_integers_are_left_to_the_processor_by_name():
    torch.manual_seed(0)
    means = choose(Asked(U55))
    made = means.prepare(Attending().eval(), Signature.image(32), 0)
    assert made.steps == 1
    npu = means.latency(made).npu
    assert {"Rsqrt", "Dequantize", "Quantize"} <= set(npu.fallbacks)
    assert not {"BatchMatMul", "Softmax", "Gelu", "FullyConnected"} & set(npu.fallbacks)
    layers = 64 * 16 * 48 + 64 * 16 * 48 + 64 * 16 * 32 + 32 * 4
    assert sum(made.macs.values()) == layers + 2 * 64 * 64 * 16
    assert npu.macs == 1.0


class Between(nn.Module):
    """Operators that networks have in float32 between their layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Conv2d(3, 8, 1), nn.GroupNorm(1, 8), nn.Conv2d(8, 4, 1)

    def forward(self, image):
        x = self.norm(self.stem(image))
        pooled = F.avg_pool2d(x, 3, 1, 1) + F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        x = F.hardswish(pooled) * F.hardsigmoid(x) / (x.pow(2).sum(1, keepdim=True).sqrt() + 1).expand_as(x)
        return self.head(F.interpolate(F.max_pool2d(F.relu6(x), 3, 3, padding=1), scale_factor=2))


def test_float32_between_layers_is_computed_as_torch_does_it():
    torch.manual_seed(0)
    module = Between().eval()
    nn.init.normal_(module.norm.weight)
    assert make_tflite(module, Signature.image(16), 0).steps == 1


REDUCED = (
    "vit_32_n10/p8_d2_w16_h1_m1/tome_r3",
    "vit_64_n10/p16_d3_w16_h2_m2/cropr_r2",
    "vit_32_n10/p8_d2_w16_h1_m1/evit_keep0.5",
)


@pytest.mark.parametrize("text", REDUCED)
def test_transformers_that_take_tokens_out_are_computed_as_their_int8_networks(text):
    """Ranks by counting, gathers and merged attention are in the file, as float32."""
    model = find_model(text)
    made = make_tflite(model.whole(), model.signature, 0)
    assert made.steps <= 1


class Growing(nn.Module):
    """An average that rounds up, a line, convolutions that attend and end in GELU, an image grown to its nearest."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.middle, self.qkv = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 48, 1)
        self.factor = nn.Parameter(torch.tensor([-0.7]))
        self.neck, self.head = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, image):
        x = F.avg_pool2d(self.stem(F.pad(image, (0, 1, 0, 1))), 2, ceil_mode=True, count_include_pad=False)
        x = F.gelu(self.middle(F.relu(x) * self.factor + 1))
        query, key, value = self.qkv(x).flatten(2).transpose(1, 2)[:, None].chunk(3, -1)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(2, 3).reshape(x.shape)
        return self.head(F.interpolate(self.neck(attended), scale_factor=(2, 3)))


@pytest.mark.processes
def test_averages_attention_after_convolutions_and_images_that_grow_leave_nothing_to_the_processor():
    torch.manual_seed(0)
    means = choose(Asked(U55))
    made = means.prepare(Growing().eval(), Signature.image(32), 0)
    assert made.steps == 1
    npu = means.latency(made).npu
    assert (npu.fallbacks, npu.macs) == ({}, 1.0)


@pytest.mark.processes
@pytest.mark.parametrize("kept", ["weight", "bias"])
def test_a_norm_with_one_of_its_constants_alone_has_that_one(kept):
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 3, stride=4), nn.Linear(8, 4)
            self.constant = nn.Parameter(torch.linspace(-2, 3, 8))

        def forward(self, image):
            tokens = self.stem(image).flatten(2).transpose(1, 2)
            return self.head(F.layer_norm(tokens, (8,), **{kept: self.constant}).mean(1))

    torch.manual_seed(0)
    means = choose(Asked(U55))
    assert means.prepare(Normed().eval(), Signature.image(16), 0).steps <= 1


def test_an_operator_without_a_form_is_refused_by_name():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(512, 4), nn.LogSoftmax(1))
    with pytest.raises(RunError, match=r"no form of aten\.log_softmax in a \.tflite file"):
        make_tflite(network.eval(), Signature.image(8), 0)


def test_values_that_grow_beyond_what_the_compiler_takes_are_refused_and_fall_not_back():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(512, 4)).eval()
    with torch.no_grad():
        network[0].weight *= 1e13
    with pytest.raises(RunError, match=r"has steps of .*, as with weights that let values grow: vela takes none"):
        make_tflite(network, Signature.image(8), 0)


def test_a_file_that_computes_something_else_is_refused(monkeypatch):
    constant = writer.TfliteWriter.constant
    monkeypatch.setattr(
        writer.TfliteWriter,
        "constant",
        lambda self, node: constant(self, node) + (constant(self, node).dtype == torch.int32) * 999,
    )
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(288, 4)).eval()
    with pytest.raises(RunError, match=r"LiteRT's .* is \d+ steps off the int8 network's, more than 1"):
        make_tflite(network, Signature.image(8), 0)


def test_a_file_in_which_an_operator_reads_another_ones_values_is_refused(monkeypatch):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Linear(512, 4)

        def forward(self, image):
            return self.head((self.one(image) + self.two(image)).flatten(1))

    read = writer.TfliteWriter.read

    def wrongly(self, node, order=None):
        swapped = {"convolution_default_1": "convolution_default"}.get(node.name, node.name)
        nodes = {one.name: one for one in self.network.graph.nodes}
        return read(self, node if self.apart else nodes[swapped], order)

    monkeypatch.setattr(writer.TfliteWriter, "read", wrongly)
    torch.manual_seed(0)
    with pytest.raises(RunError, match=r"of the \.tflite file does not read what the network's reads"):
        make_tflite(Twice().eval(), Signature.image(8), 0)


@pytest.mark.processes
def test_a_latency_has_the_system_its_cycles_and_every_operator(estimated):
    latency = estimated["ethos_u55_128"]
    assert latency.source == "simulated"
    assert (latency.npu.system_config, latency.npu.memory_mode) == ("Ethos_U55_High_End_Embedded", "Shared_Sram")
    assert latency.median_ms == pytest.approx(latency.npu.total_cycles / 0.5e6)
    assert sum(kernel.ms for kernel in latency.kernels) == pytest.approx(latency.median_ms)
    assert latency.npu.cycles <= latency.npu.total_cycles
    assert (latency.npu.macs, latency.npu.fallbacks) == (1.0, {})
    assert latency.ram_bytes > 0
    assert latency.flash_bytes > 0
    assert {kernel.rule for kernel in latency.kernels} <= {"NPU", "SRAM", "DRAM", "flash"}
    assert "vela" in latency.prediction.basis


@pytest.mark.processes
def test_twice_as_many_multipliers_take_fewer_cycles_of_the_npu(estimated):
    assert estimated["ethos_u55_256"].npu.cycles < estimated["ethos_u55_128"].npu.cycles


@pytest.mark.processes
def test_what_the_npu_does_not_do_is_named_and_its_macs_are_not_the_npus():
    """A depthwise convolution may stride by three at most."""
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 5, stride=4, groups=8), nn.Flatten(), nn.Linear(32, 4))
    means = choose(Asked(U55))
    latency = means.latency(means.prepare(network.eval(), Signature.image(12), 0))
    assert latency.npu.fallbacks == {"DepthwiseConv2D": 1}
    macs = 144 * 24, 4 * 8 * 25, 128
    assert latency.npu.macs == pytest.approx(1 - macs[1] / sum(macs))


@pytest.mark.processes
@pytest.mark.long
def test_mobilenet_v2_takes_the_cycles_that_are_published_from_arms_virtual_platform():
    """5.5 M NPU cycles on a U55-128 with Sram_Only: pytorch/executorch, pull request 9830."""
    import timm

    system = replace(U55, memory_mode="Sram_Only")
    means = choose(Asked(system))
    latency = means.latency(means.prepare(timm.create_model("mobilenetv2_100").eval(), Signature.image(224), 0))
    assert latency.npu.cycles == pytest.approx(5.5e6, rel=0.06)
    assert latency.npu.fallbacks == {}


@pytest.mark.processes
def test_the_compilers_complaint_is_told_in_a_line(mixed):
    elsewhere = replace(U55, system_config="Nowhere")
    with pytest.raises(RunError, match=r"vela ended with exit code 1: .*Nowhere"):
        choose(Asked(elsewhere)).latency(mixed)


@pytest.mark.processes
def test_a_system_may_be_in_a_file_of_the_users_own(mixed, estimated, tmp_path, monkeypatch):
    """At twice the clock, all memories with it, as many cycles are half the time."""
    from ethosu.vela.architecture_features import CONFIG_FILES_PATH

    monkeypatch.chdir(tmp_path)
    (tmp_path / "systems").mkdir()
    text = Path(CONFIG_FILES_PATH, U55.file).read_text()
    (tmp_path / "systems" / "own.ini").write_text(text.replace("core_clock=500e6", "core_clock=1000e6"))
    own = replace(U55, clock_ghz=1.0, file="systems/own.ini")
    assert choose(Asked(own)).latency(mixed).median_ms == pytest.approx(estimated[U55.name].median_ms / 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "float32"}, "toolchain vela prepares networks in int8, not in float32"),
        ({"threads": 2}, "ethos_u55_128 is an NPU; leave --threads out"),
    ],
)
def test_what_an_npu_has_not_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        choose(Asked(U55, **options))


def test_int8_is_taken_unasked():
    assert choose(Asked(U55)).options.precision == "int8"


def test_every_npu_has_the_clock_of_its_system_in_arms_file():
    from configparser import ConfigParser

    from ethosu.vela.architecture_features import CONFIG_FILES_PATH

    known = ConfigParser()
    known.read(f"{CONFIG_FILES_PATH}/{U55.file}")
    for npu in HARDWARE.values():
        if isinstance(npu, EthosU):
            assert float(known[f"System_Config.{npu.system_config}"]["core_clock"]) == npu.clock_ghz * 1e9
            assert f"Memory_Mode.{npu.memory_mode}" in known


def test_a_configuration_without_a_number_of_macs_is_refused():
    with pytest.raises(UsageError, match="configuration 'ethos-u55' ends with no number of MACs"):
        replace(U55, configuration="ethos-u55")


def test_a_study_would_notice_another_system_in_a_file_of_the_same_name(tmp_path):
    own = replace(U55, file=str(tmp_path / "own.ini"))
    definitions = []
    for clock in ("1e8", "2e8"):
        (tmp_path / "own.ini").write_text(f"[System_Config.mine]\ncore_clock={clock}\n")
        definitions.append(own.definition())
    assert definitions[0] != definitions[1]
