"""Networks known by name: who they are, which lists mean them, which family they are of."""

from __future__ import annotations

import pytest
import timm
from torchvision import models

from blockfront.design_space import KnownNetwork, Network, count_cost, known_network, list_networks
from blockfront.design_space.families import family_of_model
from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.listing import expand
from blockfront.design_space.models import find_model
from blockfront.errors import UsageError
from blockfront.signature import Signature

CNN = "cnn_32_n10/stem_k3_s2_c8_nrelu6/ds_r1_k3_s2_c16_nrelu6/head"
FACTORY = "from torch import nn\n\ndef net():\n    return nn.Conv2d(3, {width}, 1)\n"


def _names(*refs: str) -> list[str]:
    return [str(network).partition("/")[2] for network in list_networks(refs)[0].networks]


@pytest.fixture
def factory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FACTORY.format(width=8))
    return "mine.py:net"


@pytest.mark.parametrize(
    "ref", ["resnet18", "timm/resnet18", "hf_hub:timm/resnet18.a1_in1k", "known_3x224x224/resnet18.a1_in1k"]
)
def test_all_spellings_of_a_checkpoint_are_one_network(ref):
    assert known_network(ref) == KnownNetwork("resnet18.a1_in1k", "3x224x224")


def test_a_text_form_is_read_back_as_the_same_network(factory):
    refs = ["mobilenetv3_small_100", "torchvision:squeezenet1_1", factory, CNN]
    for network in [known_network(ref) for ref in refs]:
        again = Network.parse(str(network))
        assert again == network
        assert again.id == network.id


def test_another_input_or_another_content_is_another_network(factory):
    before = known_network(factory)
    assert known_network(factory, ImageSize(64, 96)).id != before.id
    path, _, _ = factory.partition(":")
    with open(path, "w") as file:
        file.write(FACTORY.format(width=9))
    assert known_network(factory).id != before.id
    assert str(known_network(factory)) == str(before)


def test_a_known_network_builds_and_costs_what_its_model_does():
    network = known_network("mobilenetv3_small_100", ImageSize(96, 64))
    assert network.signature == Signature.image(96, 64)
    own = find_model("mobilenetv3_small_100", ImageSize(96, 64))
    assert network.cost == count_cost(own.build(), own.signature)


def test_a_network_that_takes_no_image_has_its_own_input_and_text(tmp_path):
    network = known_network("examples/my_model.py:tagger")
    assert str(network) == "known/examples/my_model.py:tagger"
    assert not network.signature.is_image
    with pytest.raises(UsageError, match="are for one image"):
        known_network("examples/my_model.py:tagger", ImageSize(32, 32))


@pytest.mark.parametrize("text", ["known_224/resnet18", "known_3x224x224", "known_3x224x224/", "known/"])
def test_a_text_that_is_none_is_refused_with_the_form_it_should_have(text):
    with pytest.raises(UsageError, match="known_<"):
        Network.parse(text)


def test_every_family_is_the_module_that_defines_it_or_a_word_of_the_name():
    for name in timm.list_models():
        family = family_of_model(name)
        assert family in name or timm.model_entrypoint(name).__module__ == f"timm.models.{family}"
    for name in models.list_models():
        assert models.get_model_builder(name).__module__.endswith(f".{family_of_model(f'torchvision:{name}')}")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("mobilenetv2_100.ra_in1k", "mobilenetv2"),
        ("tf_efficientnetv2_b0", "efficientnetv2"),
        ("tf_efficientnet_lite0", "efficientnet"),
        ("mobileone_s0", "mobileone"),
        ("repvgg_a0", "repvgg"),
        ("ghostnet_100", "ghostnet"),
        ("efficientvit_b0", "efficientvit_mit"),
        ("nets/mine.py:net", "mine"),
        ("mobilenetv3_small_050.py:net", "mobilenetv3_small_050"),
        ("nets/mobilenetv3_small_050.onnx", "mobilenetv3_small_050"),
        ("mobilenetv3_small_050.pruned.onnx", "mobilenetv3_small_050.pruned"),
        ("nets\\model.v2.ONNX", "model.v2"),
        ("resnet18.a1.safetensors", "resnet18.a1"),
    ],
)
def test_a_family_is_timms_architecture_and_of_a_file_its_own_name(name, family):
    assert family_of_model(name) == family


def test_patterns_stand_for_the_names_that_fit_them():
    assert _names("mobileone_s?") == _names(*timm.list_models("mobileone_s?"))
    assert set(_names("resnet18.*")) == set(timm.list_pretrained("resnet18.*"))
    assert _names("torchvision:shufflenet*") == [f"torchvision:{n}" for n in models.list_models(include="shufflenet*")]


def test_patterns_of_timms_names_may_be_written_as_on_the_hub():
    assert _names("timm/mobileone_s?") == _names("hf_hub:timm/mobileone_s?") == _names("mobileone_s?")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.onnx",
        "a.onnx",
        "nets/c.onnx",
        "nets/d.py",
        "nets/e.py",
        "nets/f.onnx.data",
        "nets/g[1].onnx",
        "timm/h.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "list.txt").write_text("*.onnx\n")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.onnx", ["a.onnx", "b.onnx"]),
        ("./?.onnx", ["a.onnx", "b.onnx"]),
        ("nets/*", ["nets/c.onnx", "nets/d.py", "nets/e.py", "nets/g[1].onnx"]),
        ("*/*.onnx", ["nets/c.onnx", "nets/g[1].onnx"]),
        ("nets/[de].py:net", ["nets/d.py:net", "nets/e.py:net"]),
        ("nets/g[1].onnx", ["nets/g[1].onnx"]),
        ("timm/*.py:net", ["timm/h.py:net"]),
        ("list.txt", ["a.onnx", "b.onnx"]),
    ],
)
def test_a_pattern_with_a_folder_or_an_extension_stands_for_files_in_their_order(files, pattern, found):
    assert expand([pattern]) == found


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("nets/*.safetensors", r"no file of a model fits 'nets/\*\.safetensors', seen from /"),
        ("none/*", r"no file of a model fits 'none/\*'"),
        ("nets/*.data", r"no file of a model fits"),
        ("nets/*.py:*", r"is a pattern of functions: name each, as nets/\*\.py:NAME"),
    ],
)
def test_a_pattern_of_files_that_fits_none_is_told_so(files, pattern, says):
    with pytest.raises(UsageError, match=says):
        expand([pattern])


def test_a_list_holds_a_name_or_a_pattern_a_line(tmp_path):
    listed = tmp_path / "nets.txt"
    listed.write_text("# small ones\nresnet18  # the usual one\n\nmobileone_s[01]\n")
    assert _names(f"@{listed}") == _names(str(listed)) == _names("resnet18", "mobileone_s0", "mobileone_s1")


def test_what_is_named_twice_counts_once_and_is_said():
    space, notes = list_networks(["resnet18", "resnet18d", "timm/resnet18"])
    assert len(space.networks) == 2
    assert notes == ("named more than once and taken once: timm/resnet18",)


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("resnet81", "did you mean"),
        ("nothing_like_this*", "no model of timm fits"),
        ("torchvision:nothing*", "no model of torchvision fits"),
        ("@missing.txt", "there is no file missing.txt"),
        ("empty.txt", "lists no model"),
        ("nested.txt", "a list holds no other lists"),
        ("binary.txt", "cannot read binary.txt"),
    ],
)
def test_a_name_that_is_nobodys_is_refused_in_one_line(ref, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("# none\n")
    (tmp_path / "nested.txt").write_text("@empty.txt\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=says) as raised:
        list_networks([ref])
    assert "\n" not in str(raised.value)


def test_a_listed_space_gives_its_networks_in_order_and_no_others():
    space, _ = list_networks(["resnet18", "mobileone_s0"])
    assert [space.sample(seed, index) for seed in (0, 7) for index in (0, 1)] == [*space.networks] * 2
    assert [network for _, network in space.enumerate()] == [*space.networks]
    with pytest.raises(UsageError, match="lists 2 networks"):
        space.sample(0, 2)
    assert space.hash == list_networks(["resnet50"])[0].hash
