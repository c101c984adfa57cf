from __future__ import annotations

import inspect
import keyword
import shlex

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from blockfront.blocks import BLOCKS, Scalar, register_block
from blockfront.blocks.registry import SHAPE_PARAMETERS, STAGE_FIELDS
from blockfront.design_space import CnnNetwork, Head, Network, StageSpec, Stem, load_space
from blockfront.errors import UsageError

RESERVED = {*SHAPE_PARAMETERS, *STAGE_FIELDS, "self"}
texts = st.text(st.characters(codec="utf-8"), max_size=8)
option_names = st.one_of(
    st.sampled_from(
        ["kernel", "expansion", "se", "groups", "group_size", "act", "k", "s", "c_2", "a__b", "_x", "größe"]
    ),
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}", fullmatch=True),
).filter(lambda name: name not in RESERVED and not keyword.iskeyword(name))
values = st.one_of(
    st.booleans(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), texts
)


def forget_users_blocks() -> None:
    for name in [name for name in BLOCKS if name.startswith("user")]:
        BLOCKS.remove(name)


def block_with(name: str, options: dict[str, Scalar]) -> None:
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD
    shape = [inspect.Parameter(parameter, kinds) for parameter in SHAPE_PARAMETERS]
    more = [inspect.Parameter(option, kinds, default=value) for option, value in options.items()]
    cls = type("User", (nn.Module,), {"__signature__": inspect.Signature(shape + more)})
    register_block(name)(cls)


@st.composite
def stages(draw: st.DrawFn) -> StageSpec:
    name = draw(st.sampled_from([name for name in BLOCKS if not name.startswith("user")]))
    options = {}
    for option, default in BLOCKS[name].options.items():
        kind = {bool: st.booleans(), int: st.integers(0, 99), str: texts, float: st.floats(0, 9)}[type(default)]
        options[option] = draw(kind)
    return StageSpec.of(
        name, draw(st.integers(1, 20)), draw(st.integers(1, 2048)), draw(st.sampled_from([1, 2])), **options
    )


@st.composite
def users_stages(draw: st.DrawFn) -> StageSpec:
    options = draw(st.dictionaries(option_names, values, max_size=6))
    name = draw(st.from_regex(r"user[a-z0-9_]{0,6}", fullmatch=True).filter(lambda text: "_r" not in text))
    name = name if name not in BLOCKS else f"user{len(BLOCKS)}x"
    block_with(name, options)
    return StageSpec.of(name, draw(st.integers(1, 20)), draw(st.integers(1, 2048)))


@st.composite
def networks(draw: st.DrawFn) -> CnnNetwork:
    forget_users_blocks()
    act = st.sampled_from(["relu", "relu6", "hard_swish", ""])
    stem = Stem(
        draw(st.integers(1, 99)),
        draw(st.integers(1, 9)),
        draw(st.integers(1, 4)),
        draw(act),
        draw(st.booleans()),
    )
    head = draw(st.one_of(st.just(Head()), st.builds(Head, st.integers(1, 4096), act)))
    body = tuple(draw(st.lists(st.one_of(stages(), users_stages()), min_size=1, max_size=5)))
    return CnnNetwork(draw(st.integers(512, 4096)), draw(st.integers(1, 22000)), stem, body, head)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks())
def test_every_network_parses_back_from_its_text_and_its_json(network: Network) -> None:
    text = str(network)
    parsed = Network.parse(text)
    assert parsed == network
    assert parsed.id == network.id
    assert msgspec.json.decode(msgspec.json.encode(network), type=type(network)) == network
    assert shlex.quote(text).strip("'") == text
    assert not set(text) & set(" \t\n'\"\\$`!#&*?()[]{}<>|;")


@pytest.mark.parametrize("preset", ["mobile", "resnet", "vit"])
@pytest.mark.parametrize("resolution", [32, 224])
def test_every_sampled_network_parses_back(preset: str, resolution: int) -> None:
    space = load_space(preset, resolution, 10)
    for index in range(15):
        network = space.sample(1, index)
        assert Network.parse(str(network)) == network


def test_the_text_is_in_the_style_of_timm() -> None:
    stage = StageSpec.of("ir", 2, 24, 2, se=0.25)
    network = CnnNetwork(224, 1000, Stem(32, act="relu6"), (stage,), Head(1280, "relu6"))
    assert str(network) == "cnn_224_n1000/stem_k3_s2_c32_nrelu6/ir_r2_k3_s2_e6_c24_se0.25_nrelu6/head_c1280_nrelu6"


def test_defaults_left_out_make_the_same_network() -> None:
    short = Network.parse("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_c8/head")
    full = Network.parse("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_k3_s1_e6.0_c8_se0_nrelu6/head")
    assert (short, short.id) == (full, full.id)


def test_an_identity_does_not_move_between_versions() -> None:
    text = "cnn_224_n1000/stem_k3_s2_c32_nrelu6/ir_r2_k3_s2_e6_c24_se0.25_nrelu6/head_c1280_nrelu6"
    assert Network.parse(text).id == "f0070078976b"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "needs at least"),
        ("resnet18", "needs at least"),
        ("rnn_224_n10/stem_k3_s1_c8_nrelu/head", "unknown kind of network 'rnn'"),
        ("cnn_224_n10/head", "needs at least"),
        ("cnn_224/stem_k3_s1_c8_nrelu/head", "segment 'cnn_224'"),
        ("cnn_32_n10/stem_k3/head", "segment 'stem_k3'"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/tail", "segment 'tail'"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir/head", "segment 'ir' .* is not <block>_r<depth>"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/gohst_r1_c8/head", "segment 'gohst_r1_c8': .*did you mean ghost"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1/head", "segment 'ir_r1': the width is missing"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r0_c8/head", "segment 'ir_r0_c8': depth"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_c8_s3/head", "segment 'ir_r1_c8_s3': stride"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_c8_x9/head", "'x9' is no field of block 'ir'"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_c8_ksix/head", "'six' is no number"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_c8_enan/head", "'expansion' of block 'ir' is of type float"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_c8_c16/head", "width is given twice"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/fire_r1_c8_ration=1/head", "no option 'ration'; did you mean ratio"),
        ("cnn_32_n10/stem_k3_s1_c8_nrelu/basic_r1_k3_c8/head", "'k3' is no field of block 'basic'"),
        (
            "cnn_4_n10/stem_k3_s2_c8_nrelu/ir_r1_s2_c8/ir_r1_s2_c8/head",
            "strides of 8 in all leave nothing of 4",
        ),
        ("cnn_0_n10/stem_k3_s2_c8_nrelu/ir_r1_s2_c8/head", "positive resolution"),
    ],
)
def test_bad_text_names_the_segment(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Network.parse(text)
