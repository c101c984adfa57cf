"""Which vector registers an instruction reads and writes, and whether it is slow; encodings are an assembler's."""

import numpy as np
import pytest

from blockfront.targets.latency.profiler.quick import hands_on

pytestmark = pytest.mark.compiles

NONE = -1


@pytest.mark.parametrize(
    ("architecture", "encoding", "text", "writes", "reads"),
    [
        ("x86_64", "c4e26db80f", "vfmadd231ps ymm1, ymm2, [rdi]", 1, {1, 2}),
        ("x86_64", "c4421db8ca", "vfmadd231ps ymm9, ymm12, ymm10", 9, {9, 10, 12}),
        ("x86_64", "c4e26da80f", "vfmadd213ps ymm1, ymm2, [rdi]", 1, {1, 2}),
        ("x86_64", "c5ec5817", "vaddps ymm2, ymm2, [rdi]", 2, {2}),
        ("x86_64", "c4417458c9", "vaddps ymm9, ymm1, ymm9", 9, {1, 9}),
        ("x86_64", "c5fc1007", "vmovups ymm0, [rdi]", 0, set()),
        ("x86_64", "c57c1107", "vmovups [rdi], ymm8", NONE, {8}),
        ("x86_64", "c4c17c28c8", "vmovaps ymm1, ymm8", 1, {8}),
        ("x86_64", "c5f45ec2", "vdivps ymm0, ymm1, ymm2", 0, {1, 2}),
        ("x86_64", "c5fc51c1", "vsqrtps ymm0, ymm1", 0, {1}),
        ("x86_64", "c5d251ed", "vsqrtss xmm5, xmm5, xmm5", 5, {5}),
        ("x86_64", "c5f857c0", "vxorps xmm0, xmm0, xmm0", 0, set()),
        ("x86_64", "c5e857c0", "vxorps xmm0, xmm2, xmm0", 0, {0, 2}),
        ("x86_64", "c4e27d18c2", "vbroadcastss ymm0, xmm2", 0, {2}),
        ("x86_64", "c4e37d19e101", "vextractf128 xmm1, ymm4, 1", 1, {4}),
        ("x86_64", "c4e36d4ac130", "vblendvps ymm0, ymm2, ymm1, ymm3", 0, {1, 2, 3}),
        ("x86_64", "c5fd72f117", "vpslld ymm0, ymm1, 23", 0, {1}),
        ("x86_64", "c5fd5bc1", "vcvtps2dq ymm0, ymm1", 0, {1}),
        ("x86_64", "c5f96ec0", "vmovd xmm0, eax", 0, set()),
        ("x86_64", "c5f97ec8", "vmovd eax, xmm1", NONE, {1}),
        ("x86_64", "f30f58ca", "addss xmm1, xmm2", 1, {1, 2}),
        ("x86_64", "0fb607", "movzx eax, byte [rdi]", NONE, set()),
        ("x86_64", "48f7f9", "idiv rcx", NONE, set()),
        ("aarch64", "20cc224e", "fmla v0.4s, v1.4s, v2.4s", 0, {0, 1, 2}),
        ("aarch64", "2010824f", "fmla v0.4s, v1.4s, v2.s[0]", 0, {0, 1, 2}),
        ("aarch64", "200c424e", "fmla v0.8h, v1.8h, v2.8h", 0, {0, 1, 2}),
        ("aarch64", "2010324f", "fmla v0.8h, v1.8h, v2.h[3]", 0, {0, 1, 2}),
        ("aarch64", "2014424e", "fadd v0.8h, v1.8h, v2.8h", 0, {1, 2}),
        ("aarch64", "2078214e", "fcvtl2 v0.4s, v1.8h", 0, {1}),
        ("aarch64", "2068210e", "fcvtn v0.4h, v1.4s", 0, {1}),
        ("aarch64", "200c021f", "fmadd s0, s1, s2, s3", 0, {1, 2, 3}),
        ("aarch64", "2094824e", "sdot v0.4s, v1.16b, v2.16b", 0, {0, 1, 2}),
        ("aarch64", "20e8a24f", "sdot v0.4s, v1.16b, v2.4b[3]", 0, {0, 1, 2}),
        ("aarch64", "2080220e", "smlal v0.8h, v1.8b, v2.8b", 0, {0, 1, 2}),
        ("aarch64", "20c0220e", "smull v0.8h, v1.8b, v2.8b", 0, {1, 2}),
        ("aarch64", "20a0520f", "smull v0.4s, v1.4h, v2.h[1]", 0, {1, 2}),
        ("aarch64", "2068604e", "sadalp v0.4s, v1.8h", 0, {0, 1}),
        ("aarch64", "2010620e", "saddw v0.4s, v1.4s, v2.4h", 0, {1, 2}),
        ("aarch64", "00d4224e", "fadd v0.4s, v0.4s, v2.4s", 0, {0, 2}),
        ("aarch64", "20dc226e", "fmul v0.4s, v1.4s, v2.4s", 0, {1, 2}),
        ("aarch64", "2000c03d", "ldr q0, [x1]", 0, set()),
        ("aarch64", "2300803d", "str q3, [x1]", NONE, {3}),
        ("aarch64", "20fc226e", "fdiv v0.4s, v1.4s, v2.4s", 0, {1, 2}),
        ("aarch64", "20f8a16e", "fsqrt v0.4s, v1.4s", 0, {1}),
        ("aarch64", "2040201e", "fmov s0, s1", 0, {1}),
        ("aarch64", "00f6034f", "fmov v0.4s, 1", 0, set()),
        ("aarch64", "200c044e", "dup v0.4s, w1", 0, set()),
        ("aarch64", "2054374f", "shl v0.4s, v1.4s, 23", 0, {1}),
        ("riscv64", "571011b2", "vfmacc.vv v0, v2, v1", 0, {0, 1, 2}),
        ("riscv64", "57902082", "vfdiv.vv v0, v2, v1", 0, {1, 2}),
        ("riscv64", "53f5c518", "fdiv.s fa0, fa1, fa2", 10, {11, 12}),
        ("riscv64", "07e40502", "vle32.v v8, (a1)", 8, set()),
        ("riscv64", "27e40502", "vse32.v v8, (a1)", NONE, {8}),
        ("riscv64", "27a0a500", "fsw fa0, 0(a1)", NONE, {10}),
        ("riscv64", "33c5c502", "div a0, a1, a2", NONE, set()),
    ],
)
def test_an_instruction_reads_and_writes_the_vectors_that_its_text_names(
    decoder, architecture, encoding, text, writes, reads
):
    found = decoder(architecture).effect(encoding)
    assert found.writes == writes, text
    assert {register for register in range(32) if found.reads >> register & 1} == reads, text


@pytest.mark.parametrize(
    ("architecture", "encoding", "text", "slow"),
    [
        ("x86_64", "c5f45ec2", "vdivps ymm0, ymm1, ymm2", True),
        ("x86_64", "c5fc51c1", "vsqrtps ymm0, ymm1", True),
        ("x86_64", "48f7f9", "idiv rcx", True),
        ("x86_64", "48f7e9", "imul rcx", False),
        ("aarch64", "20fc226e", "fdiv v0.4s, v1.4s, v2.4s", True),
        ("aarch64", "20f8a16e", "fsqrt v0.4s, v1.4s", True),
        ("aarch64", "203c426e", "fdiv v0.8h, v1.8h, v2.8h", True),
        ("aarch64", "200cc29a", "sdiv x0, x1, x2", True),
        ("aarch64", "20cc224e", "fmla v0.4s, v1.4s, v2.4s", False),
        ("riscv64", "57902082", "vfdiv.vv v0, v2, v1", True),
        ("riscv64", "53f5c518", "fdiv.s fa0, fa1, fa2", True),
        ("riscv64", "33c5c502", "div a0, a1, a2", True),
        ("riscv64", "3385c502", "mul a0, a1, a2", False),
    ],
)
def test_quotients_and_roots_are_slow(decoder, architecture, encoding, text, slow):
    assert decoder(architecture).effect(encoding).slow == slow, text


@pytest.mark.parametrize(
    ("architecture", "encoding", "text", "widens"),
    [
        ("aarch64", "2080220e", "smlal v0.8h, v1.8b, v2.8b", True),
        ("aarch64", "2080626e", "umlal2 v0.4s, v1.8h, v2.8h", True),
        ("aarch64", "2020720f", "smlal v0.4s, v1.4h, v2.h[3]", True),
        ("aarch64", "20c0226e", "umull2 v0.8h, v1.16b, v2.16b", True),
        ("aarch64", "20a0520f", "smull v0.4s, v1.4h, v2.h[1]", True),
        ("aarch64", "2094824e", "sdot v0.4s, v1.16b, v2.16b", False),
        ("aarch64", "2094a24e", "mla v0.4s, v1.4s, v2.4s", False),
        ("aarch64", "20cc224e", "fmla v0.4s, v1.4s, v2.4s", False),
        ("riscv64", "576df7f7", "vwmacc.vx v26, a4, v31", True),
        ("riscv64", "57a142ee", "vwmul.vv v2, v4, v5", True),
        ("riscv64", "57a142c6", "vwadd.vv v2, v4, v5", False),
        ("riscv64", "d76025b6", "vmacc.vx v1, a0, v2", False),
    ],
)
def test_products_of_twice_the_width_are_told_from_others(decoder, architecture, encoding, text, widens):
    assert decoder(architecture).effect(encoding).widens == widens, text


@pytest.mark.parametrize(
    ("floats", "integers"),
    [
        ("41cc224e", "4194a24e"),  # fmla v1.4s, v2.4s, v2.4s; mla v1.4s, v2.4s, v2.4s
        ("4118bf4f", "4108bf6f"),  # fmla v1.4s, v2.4s, v31.s[3]; mla v1.4s, v2.4s, v31.s[3]
    ],
)
def test_a_sum_of_integers_is_the_same_to_the_plugin_as_one_of_floats(decoder, floats, integers):
    decode = decoder("aarch64")
    assert bytes(decode.effect(floats)) == bytes(decode.effect(integers))


@pytest.mark.parametrize(
    ("code", "text", "found"),
    [
        (0x1E260008, "fmov w8, s0", True),
        (0x9EAE0000, "fmov x0, v0.d[1]", True),
        (0x0E043C01, "mov w1, v0.s[0]", True),
        (0x1E212000, "fcmp s0, s1", True),
        (0x1E380000, "fcvtzs w0, s0", True),
        (0x1E270100, "fmov s0, w8", False),
        (0x1E220000, "scvtf s0, w0", False),
        (0x4EA1B800, "fcvtzs v0.4s, v0.4s", False),
        (0x4E22CC41, "fmla v1.4s, v2.4s, v2.4s", False),
    ],
)
def test_numbers_that_leave_their_registers_are_seen(code, text, found):
    assert hands_on(np.array([code], "uint32")) == found


@pytest.mark.parametrize(
    ("encoding", "text", "latency"),
    [
        *(("2004424e", "fmaxnm v0.8h, v1.8h, v2.8h", 4), ("20c4224e", "fmaxnm v0.4s, v1.4s, v2.4s", 4)),
        *(("2014424e", "fadd v0.8h, v1.8h, v2.8h", 4), ("200c424e", "fmla v0.8h, v1.8h, v2.8h", 4)),
        ("2078214e", "fcvtl2 v0.4s, v1.8h", 2),
    ],
)
def test_halves_take_as_long_as_floats(decoder, encoding, text, latency):
    assert decoder("aarch64").effect(encoding).latency == latency, text
