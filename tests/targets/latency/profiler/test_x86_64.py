"""What the profiler takes x86-64 instructions for; encodings are an assembler's, as objdump shows them."""

import pytest

pytestmark = pytest.mark.compiles


@pytest.fixture(scope="module")
def decode(decoder):
    return decoder("x86_64")


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("c4e27db8c1", "vfmadd231ps ymm0, ymm0, ymm1", ("multiply-add", False, False)),
        ("c4e26db80f", "vfmadd231ps ymm1, ymm2, [rdi]", ("multiply-add", True, False)),
        ("c4e2f1b9c2", "vfmadd231sd xmm0, xmm1, xmm2", ("multiply-add", False, False)),
        ("c4e26dbc0f", "vfnmadd231ps ymm1, ymm2, [rdi]", ("multiply-add", True, False)),
        ("c5fc100411", "vmovups ymm0, [rcx + rdx]", ("load", True, False)),
        ("c5fc110411", "vmovups [rcx + rdx], ymm0", ("store", False, True)),
        ("c5fc28c1", "vmovaps ymm0, ymm1", ("vector", False, False)),
        ("c4e27d180488", "vbroadcastss ymm0, [rax + rcx * 4]", ("load", True, False)),
        ("c4e27d18c0", "vbroadcastss ymm0, xmm0", ("vector", False, False)),
        ("c5f458c2", "vaddps ymm0, ymm1, ymm2", ("vector", False, False)),
        ("c5f45807", "vaddps ymm0, ymm1, [rdi]", ("vector", True, False)),
        ("c5fc5f06", "vmaxps ymm0, ymm0, [rsi]", ("vector", True, False)),
        ("c4e37d190701", "vextractf128 [rdi], ymm0, 1", ("store", False, True)),
        ("c4e37d19c001", "vextractf128 xmm0, ymm0, 1", ("vector", False, False)),
        ("c4e2792e07", "vmaskmovps [rdi], xmm0, xmm0", ("store", False, True)),
        ("c5f877", "vzeroupper", ("vector", False, False)),
        ("f30f1007", "movss xmm0, [rdi]", ("load", True, False)),
        ("0f1107", "movups [rdi], xmm0", ("store", False, True)),
        ("488b07", "mov rax, [rdi]", ("load", True, False)),
        ("488907", "mov [rdi], rax", ("store", False, True)),
        ("4889c8", "mov rax, rcx", ("integer", False, False)),
        ("48030f", "add rcx, [rdi]", ("integer", True, False)),
        ("480107", "add [rdi], rax", ("integer", True, True)),
        ("48390f", "cmp [rdi], rcx", ("integer", True, False)),
        ("4883ff10", "cmp rdi, 16", ("integer", False, False)),
        ("488d0449", "lea rax, [rcx + rcx * 2]", ("integer", False, False)),
        ("c4e2f3f7c0", "shrx rax, rax, rcx", ("integer", False, False)),
        ("0faf07", "imul eax, [rdi]", ("integer", True, False)),
        ("480f4207", "cmovb rax, [rdi]", ("integer", True, False)),
        ("0fb607", "movzx eax, byte [rdi]", ("load", True, False)),
        ("55", "push rbp", ("store", False, True)),
        ("415f", "pop r15", ("load", True, False)),
        ("e800000000", "call", ("branch", False, True)),
        ("ff142508000000", "call [8]", ("branch", True, True)),
        ("c3", "ret", ("branch", True, False)),
        ("75f0", "jne", ("branch", False, False)),
        ("0f8500010000", "jne", ("branch", False, False)),
        ("660f1f440000", "nop word [rax + rax]", ("integer", False, False)),
    ],
)
def test_an_instruction_is_what_its_encoding_says(decode, encoding, text, expected):
    assert decode(encoding) == expected, text
