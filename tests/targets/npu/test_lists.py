"""Operators of networks against what vendors' documents say, by facts of those documents."""

from __future__ import annotations

import msgspec
import pytest
import torch
from torch import nn

from blockfront.design_space.models import find_model
from blockfront.errors import UsageError
from blockfront.signature import Signature
from blockfront.targets.hardware import HARDWARE, EthosU
from blockfront.targets.npu import check_module, get_npu, known_npus
from blockfront.targets.npu.checking import NpuCheck, check_uses
from blockfront.targets.npu.published_lists import Bound, ListEntry
from blockfront.targets.npu.uses import Use, uses_of

IMAGE = Signature.image(16, 16, 8)


class Function(nn.Module):
    """A function of one image as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.fixture(scope="module")
def uses():
    """The operators of a timm model, read once."""
    known: dict[str, list[Use]] = {}

    def read(name: str) -> list[Use]:
        if name not in known:
            model = find_model(name)
            known[name] = uses_of(model.whole(), model.signature)
        return known[name]

    return read


def check(layer: nn.Module, npu: str, signature: Signature = IMAGE) -> NpuCheck:
    return check_module(layer.eval(), signature, [get_npu(npu)])[0]


def verdict(layer: nn.Module, npu: str, signature: Signature = IMAGE) -> str:
    return check(layer, npu, signature).verdict


@pytest.mark.parametrize("npu", known_npus())
def test_mobilenet_v2_runs_wholly_on_every_npu(uses, npu):
    found = check_uses(uses("mobilenetv2_100"), get_npu(npu))
    assert (found.verdict, found.mac_share("npu"), found.layers("npu")) == ("npu", 1.0, 53)


@pytest.mark.parametrize("npu", known_npus().values(), ids=known_npus())
def test_every_list_says_where_it_is_from(npu):
    assert npu.documents
    assert all(one.where and one.version and one.date and one.says for one in npu.documents)
    assert npu.title
    assert npu.vendor
    assert npu.sizes


def test_uses_are_torchs_operators_with_their_macs(uses):
    """4 × 4 outputs of 8 channels, 3 × 3 × 8 each; one batch norm folded, one view that names nothing."""
    layer = nn.Sequential(nn.Conv2d(8, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU6(), nn.Dropout())
    conv, activation = uses_of(layer.eval(), IMAGE)
    assert (conv.kind, conv.macs, conv.reads) == ("conv2d", 4 * 4 * 8 * 72, ())
    assert (activation.kind, activation.macs, activation.reads) == ("relu6", 0, (0,))


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Conv2d(8, 8, 3, groups=8), "depthwise_conv2d"),
        (nn.Conv2d(8, 8, 3, groups=2), "grouped_conv2d"),
        (nn.AdaptiveAvgPool2d(1), "global_avg_pool2d"),
        (Function(lambda x: x.mean((2, 3))), "mean"),
        (Function(lambda x: x.mean(1)), "mean"),
        (Function(lambda x: x.flatten(1)), "reshape"),
        (Function(lambda x: x.transpose(1, 2)), "permute"),
        (Function(lambda x: x @ torch.ones(16, 4)), "linear"),
        (Function(lambda x: x @ x), "matmul"),
        (nn.Upsample(scale_factor=2), "resize_nearest"),
    ],
)
def test_an_operator_has_one_name_whatever_torch_calls_it(layer, kind):
    assert [one.kind for one in uses_of(layer.eval(), IMAGE)][-1] == kind


@pytest.mark.parametrize(
    ("kernel", "groups", "npu", "taken"),
    [
        (31, 1, "rk3588", "npu"),
        (33, 1, "rk3588", "processor"),
        (7, 8, "rk3588", "npu"),
        (9, 8, "rk3588", "processor"),
        (33, 1, "edge_tpu", "npu"),
        (3, 2, "rk3588", "npu"),
        (3, 2, "edge_tpu", "not said"),
        (3, 2, "ethos_u55", "not said"),
        (9, 8, "qualcomm_htp", "npu"),
    ],
)
def test_kernels_of_convolutions_have_the_documents_limits(kernel, groups, npu, taken):
    """RKNN: Convolution to 31, Depthwise Convolution to 8; vela and Coral say nothing of groups."""
    layer = nn.Conv2d(8, 8, kernel, padding=min(kernel // 2, 15), groups=groups)
    assert verdict(layer, npu, Signature.image(40, 40, 8)) == taken


def test_a_size_out_of_bounds_is_named():
    (one,) = check(nn.Conv2d(8, 8, 9, padding=4, groups=8), "rk3588").operators
    assert one.why == "Depthwise Convolution: kernel_h 9 > 8"


@pytest.mark.parametrize(
    ("stride", "padding", "npu", "taken"),
    [
        (3, 1, "ethos_u55", "npu"),
        (4, 1, "ethos_u55", "processor"),
        (4, 0, "ethos_u55", "npu"),
        (4, 1, "ethos_u85", "npu"),
        (8, 0, "rk3588", "processor"),
    ],
)
def test_strides_have_the_documents_limits(stride, padding, npu, taken):
    """vela on U55: "Stride>3 is only supported IF (dilation = 1 AND padding = VALID)"; RKNN: strides to 7."""
    assert verdict(nn.Conv2d(8, 8, 4, stride=stride, padding=padding), npu) == taken


@pytest.mark.parametrize(
    ("layer", "edge_tpu", "ethos_u55", "rk3588", "qualcomm_htp"),
    [
        (nn.ReLU(), "npu", "npu", "npu", "npu"),
        (nn.Hardswish(), "processor", "npu", "npu", "npu"),
        (nn.SiLU(), "npu", "npu", "npu", "npu"),
        (nn.GELU(), "processor", "npu", "npu", "npu"),
        (nn.LeakyReLU(), "processor", "npu", "npu", "npu"),
        (nn.Softmax(-1), "not said", "npu", "npu", "npu"),
        (nn.Softmax(2), "not said", "npu", "processor", "npu"),
        (nn.AdaptiveAvgPool2d(1), "npu", "npu", "processor", "npu"),
        (nn.ChannelShuffle(2), "processor", "npu", "processor", "npu"),
        (Function(lambda x: x / (1 + x.abs())), "processor", "processor", "not said", "npu"),
        (Function(lambda x: x.permute(0, 2, 3, 1).contiguous()), "npu", "npu", "npu", "npu"),
        (Function(torch.erf), "not said", "processor", "processor", "processor"),
    ],
    ids=lambda one: getattr(one, "_get_name", lambda: None)() if isinstance(one, nn.Module) else None,
)
def test_operators_fall_back_where_the_documents_say_so(layer, edge_tpu, ethos_u55, rk3588, qualcomm_htp):
    found = [verdict(layer, npu) for npu in ("edge_tpu", "ethos_u55", "rk3588", "qualcomm_htp")]
    assert found == [edge_tpu, ethos_u55, rk3588, qualcomm_htp]


def test_global_pooling_of_a_large_image_and_any_mean_leave_rknn():
    """GlobalAveragePool's height and width are (0, 7] there, and ReduceMean is an operator of the processor."""
    assert verdict(Function(lambda x: x.mean((2, 3))), "rk3588", Signature.image(7, 7, 8)) == "processor"
    assert verdict(nn.AdaptiveAvgPool2d(1), "rk3588", Signature.image(7, 7, 8)) == "npu"
    assert verdict(nn.AdaptiveAvgPool2d(1), "rk3588", Signature.image(8, 8, 8)) == "processor"


def test_the_edge_tpu_takes_nothing_that_follows_an_operator_that_falls_back():
    branches = Function(lambda x: nn.functional.relu(x) + nn.functional.hardswish(x).mul(2))
    found = check(branches, "edge_tpu")
    assert [(one.use.kind, one.verdict, one.led) for one in found.operators] == [
        ("relu", "npu", False),
        ("hardswish", "processor", False),
        ("mul", "processor", True),
        ("add", "processor", True),
    ]
    assert found.causes == {"hardswish": 1}


def test_squeeze_excite_and_hard_swish_decide_where_mobilenet_v3_runs(uses):
    found = {npu: check_uses(uses("mobilenetv3_small_100"), get_npu(npu)) for npu in known_npus()}
    assert set(found["edge_tpu"].causes) == {"hardswish"}
    assert found["edge_tpu"].mac_share("npu") < 0.2
    assert set(found["rk3588"].causes) == {"mean"}
    assert found["rk3588"].mac_share("npu") == 1.0
    assert found["ethos_u55"].verdict == "npu"


def test_shuffles_have_five_dimensions_and_leave_rknn(uses):
    found = check_uses(uses("torchvision:shufflenet_v2_x0_5"), get_npu("rk3588"))
    shuffles = [one for one in found.of("processor") if one.use.kind != "mean"]
    assert {one.use.kind for one in shuffles} == {"reshape", "permute"}
    assert all("rank 5 > 4" in one.why for one in shuffles)


def test_layer_norms_of_images_leave_ethos_and_those_of_tokens_stay():
    """vela: "Reduction over depth is only supported if any of h,w,c == 1"."""
    tokens = Function(lambda x: nn.functional.layer_norm(x.flatten(2).transpose(1, 2), (8,)))
    image = Function(lambda x: nn.functional.layer_norm(x.permute(0, 2, 3, 1), (8,)))
    assert verdict(tokens, "ethos_u55") == "npu"
    assert check(image, "ethos_u55").causes == {"layer_norm": 1}


def test_rk3566_has_no_softmax_and_no_transposes_on_its_npu():
    layer = Function(lambda x: x.permute(0, 2, 3, 1).contiguous().softmax(-1))
    assert verdict(layer, "rk3588") == "npu"
    assert check(layer, "rk3566").causes == {"permute": 1, "softmax": 1}


def test_transposes_of_rknn_depend_on_their_sizes():
    """perm 0231 of int8: c1 < 8192, h1·w1 a multiple of 8, w1·c1 < 16 · 8192."""
    layer = Function(lambda x: x.permute(0, 2, 3, 1).contiguous())
    assert check(layer, "rk3588", Signature.image(7, 7, 8)).operators[0].why == "Transpose: h*w 49 no multiple of 8"


def test_an_unknown_npu_is_told_with_near_names():
    with pytest.raises(UsageError, match="did you mean rk3588"):
        get_npu("rk3558")


def test_an_entry_says_exactly_one_thing():
    for wrong in (b"{}", b"{as: Conv, processor: never}", b"{not_said: unknown, processor: never}"):
        with pytest.raises(msgspec.ValidationError, match="exactly one"):
            msgspec.yaml.decode(wrong, type=ListEntry)
    with pytest.raises(msgspec.ValidationError, match="unknown field `kernel`"):
        msgspec.yaml.decode(b"{as: Conv, kernel: 3}", type=ListEntry)


@pytest.mark.parametrize(
    ("bound", "value", "broken"),
    [
        (Bound(at_least=2, at_most=4), 4, None),
        (Bound(at_least=2), 1, "< 2"),
        (Bound(at_most=4), 5, "> 4"),
        (Bound(multiple_of=16), 24, "no multiple of 16"),
        (Bound(one_of=(1, 2)), 3, "none of 1, 2"),
    ],
)
def test_a_bound_says_how_it_is_broken(bound, value, broken):
    assert bound.broken(value) == broken


LIMITED = [
    nn.Conv2d(8, 8, 3),
    nn.Conv2d(8, 8, 3, groups=8),
    nn.Conv2d(8, 8, 3, groups=2),
    nn.ConvTranspose2d(8, 8, 2),
    nn.Linear(16, 4),
    nn.Softmax(-1),
    nn.MaxPool2d(2),
    nn.AvgPool2d(2),
    nn.AdaptiveAvgPool2d(1),
    nn.Upsample(scale_factor=2),
    nn.Upsample(scale_factor=2, mode="bilinear"),
    Function(lambda x: x @ x),
    Function(lambda x: nn.functional.scaled_dot_product_attention(x, x, x)),
    Function(lambda x: nn.functional.layer_norm(x, (16,))),
    Function(lambda x: x.mean(1)),
    Function(lambda x: x.amax(1)),
    Function(lambda x: x.transpose(1, 2)),
    Function(lambda x: x[:, ::2]),
    Function(lambda x: x - 1),
    Function(lambda x: x[:, :1].expand(1, 8, 16, 16)),
]


def test_no_limit_is_on_a_size_that_its_operator_does_not_have():
    """Such a limit would bind nothing, and an operator would count as taken that nobody looked at."""
    sizes = {use.kind: set(use.sizes) for layer in LIMITED for use in uses_of(layer.eval(), IMAGE)}
    checked = 0
    for npu in known_npus().values():
        for kind, entry in npu.operators.items():
            bounds = [npu.limits, entry.limits, *(one for one in (entry.variants or {}).values() if one)]
            names = {name for one in bounds for size in one for name in size.split("*")} - {"rank", "outer"}
            if names and kind not in ("max_pool2d_with_indices", "rms_norm"):
                assert names <= sizes[kind], f"{npu.name}: {kind}"
                checked += 1
    assert checked > 50


def test_every_ethos_target_has_a_list_by_its_own_name():
    targets = [name for name, target in HARDWARE.items() if isinstance(target, EthosU)]
    assert len(targets) > 10
    assert {get_npu(name).vendor for name in targets} == {"Arm"}
