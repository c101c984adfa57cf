"""Networks in float16: which operators compute in it, what that costs, and where it is refused."""

import pytest
import torch
from torch import nn

from blockfront.errors import RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler import partial_sums
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.halving import as_module, in_float16
from blockfront.targets.compiler.importing.support import name_of
from blockfront.targets.hardware.halves import has_halves, require_float16
from tests.targets.compiler.test_schedules import Excite, Shuffle, Tokens

IMAGE = Signature.image(20)


class Parts(nn.Module):
    """Convolutions of every kind, squeeze and excitation, a channel shuffle, attention, layer norm, and a logarithm."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.excite, self.shuffle, self.tokens = Excite(), Shuffle(), Tokens()
            self.dense = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.Hardswish(), nn.Conv2d(32, 32, 3, padding=1))
            self.grouped = nn.Conv2d(32, 44, 3, stride=2, padding=1, groups=2)
            self.depthwise = nn.Conv2d(44, 44, 5, padding=2, groups=44)

    def forward(self, x):
        y = self.depthwise(nn.functional.relu6(self.grouped(self.dense(x))))
        pooled = nn.functional.max_pool2d(y, 3, 2, 1) + nn.functional.avg_pool2d(y, 2)
        return {
            "convolutions": pooled,
            "excite": self.excite(x),
            "shuffle": self.shuffle(x),
            "tokens": self.tokens(x),
            "log": (y.abs() + 1).log().sum(1),
        }


def types_of(function) -> dict[str, set[str]]:
    """By operator the types of what it gives, of a module that computes `function`."""

    class Computes(nn.Module):
        def forward(self, x):
            return function(x)

    graph = in_float16(export_module(Computes(), IMAGE)).graph
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        if node.op == "call_function":
            found.setdefault(name_of(node.target), set()).add(str(node.meta["val"].dtype).removeprefix("torch."))
    return found


@pytest.mark.compiles
def test_every_operator_agrees_with_float64_about_as_well_as_torchs_float16_does():
    program = compile_model(Parts(), IMAGE, get_target("rpi5"), threads=2, seed=0, halves=True)
    assert program.unscheduled_kernels == ()
    assert {error.rounded_to for error in program.errors} == {"float16"}
    for error in program.errors:
        # Compiling refused it otherwise; and less would not be float16.
        assert error.relative > 1e-5, error.name
    weights = [kernel.arguments[i] for kernel in program.kernels for i in kernel.constants]
    assert {dtype for dtype, shape in weights if len(shape) > 1} == {"float16"}
    convolutions = [
        kernel for kernel in program.kernels if "conv2d" in kernel.name or "winograd_product" in kernel.name
    ]
    assert {kernel.products for kernel in convolutions} == {2}


@pytest.mark.compiles
def test_long_sums_are_cut_so_that_rounding_hardly_grows_with_their_length(monkeypatch):
    layer, signature = nn.Conv2d(4096, 16, 1, bias=False), Signature.image(4, channels=4096)

    def error() -> float:
        # Kernels are kept by what they compute: `alone` keeps none.
        return (
            compile_model(layer, signature, get_target("rpi5"), threads=1, halves=True, alone=True).errors[0].relative
        )

    cut = error()
    monkeypatch.setattr(partial_sums, "LONGEST", 4096)
    monkeypatch.setattr("blockfront.agreement.outputs.HALF_ROUNDING", 100)
    assert cut < 0.5 * error()


def test_what_needs_range_or_digits_is_float32_between_casts_and_inputs_and_outputs_stay():
    types = types_of(lambda x: (torch.exp(nn.functional.hardswish(x) * 2) + 1, x.softmax(1)))
    assert types["exp.default"] == {"float32"}
    assert (
        types["hardswish.default"] == types["mul.Tensor"] == types["add.Tensor"] == types["softmax.int"] == {"float16"}
    )
    assert types["to.dtype"] == {"float16", "float32"}
    values = as_module(in_float16(export_module(nn.Hardswish(), IMAGE)))(*IMAGE.random(0))
    assert [value.dtype for value in values] == [torch.float32]


def test_a_float32_value_that_only_float32_operators_read_is_never_rounded():
    assert "to.dtype" not in types_of(lambda x: x.exp().log())


def test_an_operator_whose_constant_float16_does_not_reach_is_float32():
    assert types_of(lambda x: x + torch.full((20,), 1e5))["add.Tensor"] == {"float32"}
    assert types_of(lambda x: x + torch.full((20,), -torch.inf).where(torch.arange(20) > 3, 0.0))["add.Tensor"] == {
        "float16"
    }


@pytest.mark.compiles
def test_values_beyond_what_float16_holds_are_told_with_what_to_do():
    class Large(nn.Module):
        def forward(self, x):
            return x * 6e4 * 100.0 / 6e6

    with pytest.raises(RunError, match=r"not finite in float16, which ends at 65504: use float32"):
        compile_model(Large(), IMAGE, get_target("rpi5"), threads=1, halves=True)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("rpi4", "rpi4 has no arithmetic that float16 kernels use"),
        ("rk3399_little", "rk3399_little has no arithmetic"),
        ("visionfive2", "visionfive2 has no arithmetic"),
        ("host_avx2", "host_avx2 has no arithmetic"),
        ("jetson_orin_nano_gpu", "float16 networks are compiled for processors, and jetson_orin_nano_gpu is a GPU"),
    ],
)
def test_hardware_without_the_arithmetic_is_refused_before_anything_is_compiled(target, reason):
    with pytest.raises(UsageError, match=reason):
        require_float16(get_target(target))


@pytest.mark.parametrize(
    ("architecture", "cores", "expected"),
    [
        ("aarch64", ("cortex-a55", "cortex-a75", "cortex-a76", "cortex-x1"), True),
        ("aarch64", ("cortex-a53", "cortex-a72", "cortex-a73"), False),
        ("x86_64", ("sapphirerapids",), True),
        ("x86_64", ("znver4", "haswell"), False),
        ("riscv64", ("sifive-u74", "spacemit-x60"), False),
        ("thumbv8.1m.main", ("cortex-m55",), True),
        ("thumbv7em", ("cortex-m4", "cortex-m7"), False),
    ],
)
def test_the_cores_with_the_arithmetic_are_told_by_llvms_features(architecture, cores, expected):
    for core in cores:
        described = {"kind": "llvm", "mtriple": f"{architecture}-linux-gnu", "mcpu": core}
        assert has_halves(described) == expected, core
