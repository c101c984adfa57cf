"""Weights of named origin: fetched once and checked, and mapped tensor by tensor; with tiny stand-ins of the files."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from timm.models._registry import _model_pretrained_cfgs
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from blockfront.cli import run
from blockfront.design_space import Network, load_space
from blockfront.errors import RunError, UsageError
from blockfront.sweep.stages import Job, train_network
from blockfront.training import PRETRAINED, Recipe, choose_recipe, dinov2, get_dataset, give_weights, pretrained
from blockfront.training.efficientnet_lite import efficientnet_lite_state
from blockfront.training.pretrained import fetch_weights
from blockfront.training.transfer import transfer

TINY = {"img_size": 28, "patch_size": 14, "embed_dim": 24, "depth": 2, "num_heads": 3, "init_values": 1.0}


@pytest.fixture
def encoder() -> VisionTransformer:
    """DINOv2's architecture, tiny, with weights in which no two layers are alike."""
    torch.manual_seed(0)
    model = VisionTransformer(**TINY, num_classes=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model.eval()


class _Block(nn.Module):
    """A block of timm's as Hugging Face's Dinov2 has them: a module each for queries, keys and values."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        width = block.norm1.weight.numel()
        self.heads = block.attn.num_heads
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.attention = nn.Module()
        self.attention.attention = nn.Module()
        parts = zip(block.attn.qkv.weight.split(width), block.attn.qkv.bias.split(width), strict=True)
        for name, (weight, bias) in zip(("query", "key", "value"), parts, strict=True):
            linear = nn.Linear(width, width)
            linear.weight.data, linear.bias.data = weight.detach().clone(), bias.detach().clone()
            setattr(self.attention.attention, name, linear)
        self.attention.output = nn.Module()
        self.attention.output.dense = block.attn.proj
        self.layer_scale1, self.layer_scale2 = nn.Module(), nn.Module()
        self.layer_scale1.lambda1, self.layer_scale2.lambda1 = block.ls1.gamma, block.ls2.gamma
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = block.mlp.fc1, block.mlp.fc2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, own = self.norm1(x), self.attention.attention
        batch, length, width = y.shape

        # In another order than query, key, value, as exporters may have it.
        value, query, key = (
            part(y).reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in (own.value, own.query, own.key)
        )
        mixed = (query @ key.transpose(-2, -1) / (width // self.heads) ** 0.5).softmax(-1) @ value
        mixed = self.attention.output.dense(mixed.transpose(1, 2).reshape(batch, length, width))
        x = x + mixed * self.layer_scale1.lambda1
        return x + self.mlp.fc2(nn.functional.gelu(self.mlp.fc1(self.norm2(x)))) * self.layer_scale2.lambda1


class _HuggingFace(nn.Module):
    """A transformer of timm's with Hugging Face's names, and a decoder behind it."""

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        backbone = self.backbone = nn.Module()
        backbone.embeddings = nn.Module()
        backbone.embeddings.cls_token = model.cls_token
        backbone.embeddings.position_embeddings = model.pos_embed
        backbone.embeddings.patch_embeddings = nn.Module()
        backbone.embeddings.patch_embeddings.projection = model.patch_embed.proj
        backbone.encoder = nn.Module()
        backbone.encoder.layer = nn.Sequential(*map(_Block, model.blocks))
        backbone.layernorm = model.norm
        self.decoder = nn.Conv2d(model.embed_dim, 1, 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embeddings = self.backbone.embeddings
        x = embeddings.patch_embeddings.projection(images).flatten(2).transpose(1, 2)
        positions, side = embeddings.position_embeddings, 2
        others = positions[:, 1:].reshape(images.shape[0], side, side, -1)
        others = nn.functional.interpolate(others.permute(0, 3, 1, 2), size=images.shape[-1] // 14)
        x = torch.cat([embeddings.cls_token, x], 1)
        x = x + torch.cat([positions[:, :1], others.permute(0, 2, 3, 1).reshape(images.shape[0], side * side, -1)], 1)
        x = self.backbone.layernorm(self.backbone.encoder.layer(x))
        return x, self.decoder(x[:, 1:].transpose(1, 2).reshape(1, -1, side, side))


@pytest.fixture
def onnx_file(encoder: VisionTransformer) -> bytes:
    pytest.importorskip("onnx")
    file = io.BytesIO()
    form = {"input_names": ["images"], "dynamic_axes": {"images": {0: "batch"}}, "dynamo": False}
    torch.onnx.export(_HuggingFace(encoder).eval(), (torch.zeros(1, 3, 28, 28),), file, **form)
    return file.getvalue()


def test_a_transformer_in_an_onnx_file_computes_the_same_in_timms_form(
    encoder: VisionTransformer, onnx_file: bytes
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    other = VisionTransformer(**TINY, num_classes=0).eval()
    transfer(other, dinov2.dinov2_state(onnx_file), "vit_small_patch14_dinov2", "the file")
    image = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    session = runtime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    features, _ = session.run(None, {"images": image.numpy()})
    with torch.no_grad():
        assert torch.allclose(other.forward_features(image), torch.from_numpy(features), atol=1e-4)
        assert torch.equal(other.forward_features(image), encoder.forward_features(image))


def test_layer_scale_positions_and_classes_are_what_may_differ(encoder: VisionTransformer) -> None:
    network = Network.parse("vit_28_n10/p14_d2_w24_h3_m4/tome_r1").build().eval()
    own = network.backbone.head.weight.clone()
    transfer(network, encoder.state_dict(), "vit_small_patch14_dinov2", "these")
    image = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = encoder.forward_features(image), network.backbone.forward_features(image)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(network.backbone.head.weight, own)
    assert network.pretrained_cfg["crop_pct"] == 1.0
    larger = Network.parse("vit_56_n10/p14_d2_w24_h3_m4").build()
    transfer(larger, encoder.state_dict(), "vit_small_patch14_dinov2", "these")
    assert torch.equal(larger.pos_embed[:, 0], encoder.pos_embed[:, 0])
    grid = encoder.pos_embed[:, 1:].reshape(1, 2, 2, 24).permute(0, 3, 1, 2)
    corner = nn.functional.interpolate(grid, 4, mode="bicubic", antialias=True)
    assert torch.allclose(larger.pos_embed[0, 1], corner[0, :, 0, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vit_28_n10/p14_d3_w24_h3_m4", "these does not fit the network: it lacks 12 tensors such as blocks.2"),
        ("vit_28_n10/p14_d1_w24_h3_m4", "it has, and the network has not, 12 tensors such as blocks.1"),
        ("vit_28_n10/p7_d2_w24_h3_m4", r"patch_embed.proj.weight is \[24, 3, 14, 14\], and \[24, 3, 7, 7\]"),
    ],
)
def test_another_architecture_is_refused(encoder: VisionTransformer, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        transfer(Network.parse(text).build(), encoder.state_dict(), "vit_small_patch14_dinov2", "these")


def test_efficientnet_lites_tensors_are_timms_in_the_same_order() -> None:
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0")
    given = {
        f"_{place}.{name.rpartition('.')[2]}": value for place, (name, value) in enumerate(model.state_dict().items())
    }
    file = io.BytesIO()
    torch.save(given, file)
    state = efficientnet_lite_state(file.getvalue(), "tf_efficientnet_lite0")
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    first, second = list(given)[:2]
    file = io.BytesIO()
    torch.save({second: given[second], first: given[first], **given}, file)
    with pytest.raises(RunError, match="are in another order"):
        efficientnet_lite_state(file.getvalue(), "tf_efficientnet_lite0")


@pytest.fixture
def known(encoder: VisionTransformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights `tiny` that a package has, and no others; gives where they are kept once they are fetched."""
    file = io.BytesIO()
    torch.save(encoder.state_dict(), file)
    content = file.getvalue()
    entry = replace(
        PRETRAINED["dinov2_small"],
        name="tiny",
        member="models/tiny.pt",
        sha256=hashlib.sha256(content).hexdigest(),
        read=lambda content: torch.load(io.BytesIO(content), weights_only=True),
    )
    monkeypatch.setitem(PRETRAINED._items, "tiny", entry)
    monkeypatch.setattr(pretrained, "file_in_wheel", lambda requirement, sha256, member: content)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("BENCH_OFFLINE", "0")
    return tmp_path / "pretrained" / "tiny.pt"


def test_weights_are_fetched_once_and_one_line_says_what_and_under_which_licence(
    known: Path, encoder: VisionTransformer, capsys: pytest.CaptureFixture[str]
) -> None:
    network = VisionTransformer(**TINY, num_classes=0).eval()
    give_weights(network, "tiny")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "MIT" in said
    assert str(known) in said
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in encoder.state_dict().items())
    fetch_weights("tiny")
    assert capsys.readouterr().err == ""


def test_what_is_damaged_or_another_file_or_not_to_be_fetched_is_refused(
    known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    for ref in ("tiny", "timm:resnet18.a1_in1k"):
        with pytest.raises(RunError, match="and BENCH_OFFLINE forbids"):
            fetch_weights(ref)
    monkeypatch.setenv("BENCH_OFFLINE", "0")
    monkeypatch.setattr(pretrained, "file_in_wheel", lambda *wanted: b"something else")
    with pytest.raises(RunError, match=r"models/tiny.pt of .* is not what it was"):
        fetch_weights("tiny")
    known.parent.mkdir()
    known.write_bytes(b"half")
    with pytest.raises(RunError, match="is damaged"):
        fetch_weights("tiny")


def test_what_is_listed_as_here_is_whole(known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def listed() -> tuple[bool, bool]:
        assert run(["pretrained", "--json"]) == 0
        (row,) = (row for row in json.loads(capsys.readouterr().out) if row["weights"] == "tiny")
        return row["fetched"], row["damaged"]

    assert listed() == (False, False)
    assert run(["pretrained", "tiny"]) == 0
    capsys.readouterr()
    assert listed() == (True, False)
    known.write_bytes(known.read_bytes()[:-1])
    assert listed() == (False, True)
    assert run(["pretrained"]) == 0
    assert "damaged" in capsys.readouterr().out


def test_weights_of_timms_hub_are_fetched_and_told_by_their_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_OFFLINE", "0")
    published = replace(_model_pretrained_cfgs["resnet18.a1_in1k"], file=str(tmp_path / "published.pt"))
    torch.save(timm.create_model("resnet18").state_dict(), published.file)
    monkeypatch.setitem(_model_pretrained_cfgs, "resnet18.a1_in1k", published)
    assert run(["pretrained", "timm:resnet18.a1_in1k", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["source"] == "timm/resnet18.a1_in1k"
    assert told["licence"] == "apache-2.0"
    assert told["mean"] == [0.485, 0.456, 0.406]
    assert run(["pretrained", "timm:resnet18.a9"]) == 2
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    assert run(["pretrained", "timm:resnet18.a1_in1k"]) == 1
    assert "BENCH_OFFLINE forbids" in capsys.readouterr().err


def test_weights_are_names_hub_names_or_files() -> None:
    module = nn.Linear(2, 2)
    for ref, complaint in (
        ("dinov2_smal", "did you mean dinov2_small"),
        ("nothing", "give dinov2_small, efficientnet_lite0, .* timm:NAME or a file"),
        ("timm:resnet18.a9", "unknown weights of timm"),
        ("absent.pt", "there is no file absent.pt"),
    ):
        with pytest.raises(UsageError, match=complaint):
            give_weights(module, ref)
    with pytest.raises(UsageError, match=r"unknown weights './mine.pt'"):
        fetch_weights("./mine.pt")


def test_a_sweep_trains_from_them(known: Path, encoder: VisionTransformer) -> None:
    network = Network.parse("vit_28_n10/p14_d2_w24_h3_m4")
    recipe = choose_recipe("finetune", "digits", ["weights=tiny", "lr=1e-12", "epochs=1", "images=64"])
    job = Job(network.id, str(network), seed=0, threads=1)
    trained = train_network(job, get_dataset("digits"), recipe, "cpu", keep=True)
    name = "blocks.1.mlp.fc1.weight"
    assert torch.allclose(safetensors.torch.load(trained.weights)[name], encoder.state_dict()[name], atol=1e-6)


def test_the_preset_has_the_shape_of_the_weights() -> None:
    network = load_space("dinov2", 112, 10).sample(0, 0)
    assert str(network).startswith("vit_112_n10/p14_d12_w384_h6_m4")
    with torch.device("meta"):
        theirs = timm.create_model("vit_small_patch14_dinov2", img_size=112, init_values=None, num_classes=10)
    plain = network.build()
    ours = getattr(plain, "backbone", plain).state_dict()
    wanted = {name: one.shape for name, one in theirs.state_dict().items() if not name.endswith(".gamma")}
    assert {name: one.shape for name, one in ours.items()} == wanted
    with pytest.raises(UsageError, match="32 pixels are no multiple of 14"):
        load_space("dinov2", 32, 10)


def test_a_recipe_that_starts_from_weights_is_another_one() -> None:
    recipe = choose_recipe("finetune", "fashion_mnist", ["weights=dinov2_small"])
    assert recipe.weights == "dinov2_small"
    assert recipe.hash != choose_recipe("finetune", "fashion_mnist").hash
    assert Recipe().hash == Recipe(weights=None).hash
