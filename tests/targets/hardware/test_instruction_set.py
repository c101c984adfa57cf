"""One instruction set has many names, and kernels and refusals follow the set."""

from dataclasses import replace

import pytest
from torch import nn

from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.hardware.halves import has_halves
from blockfront.targets.hardware.instruction_set import instruction_set
from blockfront.targets.hardware.integer import byte_products

MACHINES = {"aarch64": 183, "arm": 40, "x86_64": 62, "riscv64": 243}
"""`e_machine` of the ELF specification."""
NAMES = {
    "aarch64": ("aarch64", "arm64"),
    "arm": ("arm", "armv7", "armv7a", "armv7l", "armv8l", "thumbv7", "thumbv7em", "thumbv8m.main", "thumbv8.1m.main"),
    "x86_64": ("x86_64", "amd64"),
    "riscv64": ("riscv64",),
}
EVERY_NAME = [(name, known) for known, names in NAMES.items() for name in names]


@pytest.mark.compiles
@pytest.mark.parametrize(("name", "known"), EVERY_NAME)
def test_a_triples_name_is_of_the_set_that_llvm_makes_code_of(name, known):
    described = {"kind": "llvm", "mtriple": f"{name}-linux-gnu", "mattr": ["+vfp2"] if known == "arm" else []}
    target = replace(get_target("rpi4"), tvm_target=described)
    code = compile_model(nn.ReLU(), Signature.image(4), target).kernel_library
    assert target.architecture == known
    assert int.from_bytes(code[18:20], "little") == MACHINES[known]


@pytest.mark.parametrize("name", ["armeb", "armebv7r", "thumbeb", "aarch64_be", "mips64", "wasm32", ""])
def test_a_set_that_is_none_of_them_keeps_its_name(name):
    assert instruction_set(f"{name}-linux-gnu" if name else "") == name


@pytest.mark.parametrize(
    ("names", "system", "rest", "product"),
    [
        (NAMES["aarch64"], "linux-gnu", {"mcpu": "cortex-a72"}, "smull"),
        (NAMES["aarch64"], "linux-android", {"mcpu": "cortex-a76"}, "sdot"),
        (("arm", "armv7", "armv7a", "armv7l", "armv8l"), "linux-gnueabihf", {"mattr": ["+neon"]}, "smull"),
        (("arm", "armv6", "armv7l"), "linux-gnueabi", {"mcpu": "arm926ej-s"}, None),
        (("arm", "thumbv7em", "thumbv8m.main"), "none-eabi", {"mcpu": "cortex-m4"}, "smlad"),
        (("arm", "thumbv8m.main"), "none-eabi", {"mcpu": "cortex-m33"}, "smlad"),
        (("arm", "thumbv8.1m.main"), "none-eabi", {"mcpu": "cortex-m85"}, "vmla"),
        (NAMES["x86_64"], "linux-gnu", {"mcpu": "haswell"}, "pmaddwd"),
        (NAMES["x86_64"], "unknown-linux-gnu", {"mcpu": "znver4"}, "vpdpbusd"),
    ],
)
def test_bytes_are_multiplied_alike_under_every_name_of_a_processor(names, system, rest, product):
    found = {byte_products({"kind": "llvm", "mtriple": f"{name}-{system}", **rest}) for name in names}
    assert found == {product}


def test_a_processor_has_float16_under_every_name():
    arm = [{"kind": "llvm", "mtriple": f"{name}-linux-gnu", "mcpu": "cortex-a76"} for name in NAMES["aarch64"]]
    helium = [
        {"kind": "llvm", "mtriple": f"{name}-none-eabihf", "mcpu": "cortex-m55"} for name in ("arm", "thumbv8.1m.main")
    ]
    assert all(map(has_halves, [*arm, *helium]))
