"""The instruction set of a processor, of the many names that there are for one."""

from __future__ import annotations

_NAMES = {
    "aarch64": ("aarch64", "arm64", "arm64e"),
    "x86_64": ("x86_64", "x86_64h", "amd64"),
}
_BIG_ENDIAN = ("armeb", "armebv", "thumbeb", "aarch64_be")


def instruction_set(name: str) -> str:
    """`aarch64`, `arm` (32 bits, Thumb too), `x86_64`, `riscv64`: what LLVM's triple or a machine's name begins with.

    A name of none of these, such as of a processor that keeps an integer's most significant byte first, is given back.
    """
    first = name.partition("-")[0].lower()
    found = next((known for known, names in _NAMES.items() if first in names), None)
    if found is None and first.startswith(("arm", "thumb")) and not first.startswith(_BIG_ENDIAN):
        return "arm"
    return found or first
