"""Which register an instruction adds to, and which instructions are slow; encodings are an assembler's."""

import ctypes

import pytest

pytestmark = pytest.mark.compiles

NONE = -1


@pytest.fixture(scope="module")
def effect(native_library):
    """An encoding of an architecture to (adds to, overwrites, slow)."""

    class Effect(ctypes.Structure):
        _fields_ = [
            ("main", ctypes.c_int),
            *((name, ctypes.c_bool) for name in ("loads", "stores", "slow")),
            *((name, ctypes.c_int) for name in ("adds_to", "overwrites")),
        ]

    def decode(architecture, encoding):
        function = getattr(native_library(architecture), f"decode_{architecture}")
        function.argtypes, function.restype = [ctypes.c_char_p, ctypes.c_size_t], Effect
        code = bytes.fromhex(encoding)
        found = function(code, len(code))
        return found.adds_to, found.overwrites, found.slow

    return decode


@pytest.mark.parametrize(
    ("architecture", "encoding", "text", "expected"),
    [
        ("x86_64", "c4e26db80f", "vfmadd231ps ymm1, ymm2, [rdi]", (1, NONE, False)),
        ("x86_64", "c4421db8ca", "vfmadd231ps ymm9, ymm12, ymm10", (9, NONE, False)),
        ("x86_64", "c4e26da80f", "vfmadd213ps ymm1, ymm2, [rdi]", (NONE, 1, False)),
        ("x86_64", "c5ec5817", "vaddps ymm2, ymm2, [rdi]", (2, NONE, False)),
        ("x86_64", "c5f45817", "vaddps ymm2, ymm1, [rdi]", (NONE, 2, False)),
        ("x86_64", "c5fc1007", "vmovups ymm0, [rdi]", (NONE, 0, False)),
        ("x86_64", "c5fc1107", "vmovups [rdi], ymm0", (NONE, NONE, False)),
        ("x86_64", "c5f45ec2", "vdivps ymm0, ymm1, ymm2", (NONE, 0, True)),
        ("x86_64", "c5fc51c1", "vsqrtps ymm0, ymm1", (NONE, 0, True)),
        ("x86_64", "48f7f9", "idiv rcx", (NONE, NONE, True)),
        ("x86_64", "48f7e9", "imul rcx", (NONE, NONE, False)),
        ("aarch64", "20cc224e", "fmla v0.4s, v1.4s, v2.4s", (0, NONE, False)),
        ("aarch64", "2010824f", "fmla v0.4s, v1.4s, v2.s[0]", (0, NONE, False)),
        ("aarch64", "00d4224e", "fadd v0.4s, v0.4s, v2.4s", (0, NONE, False)),
        ("aarch64", "20d4224e", "fadd v0.4s, v1.4s, v2.4s", (NONE, 0, False)),
        ("aarch64", "2000c03d", "ldr q0, [x1]", (NONE, 0, False)),
        ("aarch64", "20fc226e", "fdiv v0.4s, v1.4s, v2.4s", (NONE, 0, True)),
        ("aarch64", "20f8a16e", "fsqrt v0.4s, v1.4s", (NONE, 0, True)),
        ("aarch64", "200cc29a", "sdiv x0, x1, x2", (NONE, NONE, True)),
        ("riscv64", "571011b2", "vfmacc.vv v0, v2, v1", (0, NONE, False)),
        ("riscv64", "57902082", "vfdiv.vv v0, v2, v1", (NONE, 0, True)),
        ("riscv64", "53f5c518", "fdiv.s fa0, fa1, fa2", (NONE, NONE, True)),
        ("riscv64", "33c5c502", "div a0, a1, a2", (NONE, NONE, True)),
        ("riscv64", "3385c502", "mul a0, a1, a2", (NONE, NONE, False)),
    ],
)
def test_an_instruction_adds_to_a_register_or_gives_it_a_new_value(effect, architecture, encoding, text, expected):
    assert effect(architecture, encoding) == expected, text
