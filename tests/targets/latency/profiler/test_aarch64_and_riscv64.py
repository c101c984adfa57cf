"""What the profiler takes Arm and RISC-V instructions for; encodings are assemblers', as bytes in memory."""

import pytest

pytestmark = pytest.mark.compiles

ALONE = {"load": (True, False), "store": (False, True)}
AARCH64 = [
    ("20cc224e", "fmla v0.4s, v1.4s, v2.4s", "multiply-add"),
    ("2018a24f", "fmla v0.4s, v1.4s, v2.s[3]", "multiply-add"),
    ("20cce24e", "fmls v0.2d, v1.2d, v2.2d", "multiply-add"),
    ("200c424e", "fmla v0.8h, v1.8h, v2.8h", "multiply-add"),
    ("2018124f", "fmla v0.8h, v1.8h, v2.h[5]", "multiply-add"),
    ("200c021f", "fmadd s0, s1, s2, s3", "multiply-add"),
    ("20d4224e", "fadd v0.4s, v1.4s, v2.4s", "vector"),
    ("20dc226e", "fmul v0.4s, v1.4s, v2.4s", "vector"),
    ("2048221e", "fmax s0, s1, s2", "vector"),
    ("200c044e", "dup v0.4s, w1", "vector"),
    ("0000c03d", "ldr q0, [x0]", "load"),
    ("208c40f8", "ldr x0, [x1, #8]!", "load"),
    ("2068a2b8", "ldrsw x0, [x1, x2]", "load"),
    ("000440ad", "ldp q0, q1, [x0]", "load"),
    ("0028df4c", "ld1 {v0.4s-v3.4s}, [x0], #64", "load"),
    ("00000058", "ldr x0, =literal", "load"),
    ("0000803d", "str q0, [x0]", "store"),
    ("e007bfa9", "stp x0, x1, [sp, #-16]!", "store"),
    ("0078004c", "st1 {v0.4s}, [x0]", "store"),
    ("00000014", "b", "branch"),
    ("01000054", "b.ne", "branch"),
    ("000000b4", "cbz x0", "branch"),
    ("00000094", "bl", "branch"),
    ("c0035fd6", "ret", "branch"),
    ("2000028b", "add x0, x1, x2", "integer"),
    ("200c029b", "madd x0, x1, x2, x3", "integer"),
    ("1f1000f1", "cmp x0, #4", "integer"),
    ("e00301aa", "mov x0, x1", "integer"),
]
RISCV64 = [
    ("571488b3", "vfmacc.vv v8, v16, v24", "multiply-add"),
    ("575485b3", "vfmacc.vf v8, fa0, v24", "multiply-add"),
    ("571488bf", "vfnmsac.vv v8, v16, v24", "multiply-add"),
    ("43f5c568", "fmadd.s fa0, fa1, fa2, fa3", "multiply-add"),
    ("57140c03", "vfadd.vv v8, v16, v24", "vector"),
    ("57140c07", "vfredusum.vs v8, v16, v24", "vector"),
    ("5734005e", "vmv.v.i v8, 0", "vector"),
    ("53f5c500", "fadd.s fa0, fa1, fa2", "vector"),
    ("07640502", "vle32.v v8, (a0)", "load"),
    ("0764b50a", "vlse32.v v8, (a0), a1", "load"),
    ("07250500", "flw fa0, 0(a0)", "load"),
    ("2f25b600", "amoadd.w a0, a1, (a2)", "load"),
    ("8865", "c.ld a0, 8(a1)", "load"),
    ("c841", "c.lw a0, 4(a1)", "load"),
    ("8825", "c.fld fa0, 8(a1)", "load"),
    ("2265", "c.ldsp a0, 8(sp)", "load"),
    ("27640502", "vse32.v v8, (a0)", "store"),
    ("2720a500", "fsw fa0, 0(a0)", "store"),
    ("88e5", "c.sd a0, 8(a1)", "store"),
    ("2aa4", "c.fsdsp fa0, 8(sp)", "store"),
    ("6304b500", "beq a0, a1, 8", "branch"),
    ("ef000001", "jal ra, 16", "branch"),
    ("0295", "c.jalr a0", "branch"),
    ("0285", "c.jr a0", "branch"),
    ("21a0", "c.j 8", "branch"),
    ("01e5", "c.bnez a0, 8", "branch"),
    ("3385c500", "add a0, a1, a2", "integer"),
    ("3385c502", "mul a0, a1, a2", "integer"),
    ("d772050d", "vsetvli t0, a0, e32, m1, ta, ma", "integer"),
    ("0505", "c.addi a0, 1", "integer"),
    ("2e85", "c.mv a0, a1", "integer"),
    ("2e95", "c.add a0, a1", "integer"),
    ("0a05", "c.slli a0, 2", "integer"),
    ("2800", "c.addi4spn a0, sp, 8", "integer"),
]


@pytest.mark.parametrize(("architecture", "instructions"), [("aarch64", AARCH64), ("riscv64", RISCV64)])
def test_an_instruction_is_what_its_encoding_says(decoder, architecture, instructions):
    decode = decoder(architecture)
    for encoding, text, expected in instructions:
        assert decode(encoding) == (expected, *ALONE.get(expected, (False, False))), text
