"""Code that counts the same and is emulated in half the time: sums of products of floats as those of integers.

QEMU computes floats by functions of its own, lane by lane, and integers by the machine's vectors. Tensors hold zeros
while a kernel is profiled, nobody reads its results, and FMLA and MLA read and write the same registers and are one
class to the plugin. So what replaces one by the other changes no count, as long as no number decides what is executed
or where memory is accessed.
"""

from __future__ import annotations

import numpy as np

from blockfront.targets.compiler.elf import ObjectFile

# Arm Architecture Reference Manual, A64 encoding, as (mask, FMLA, MLA) of 32-bit lanes: by vector and by element.
_SUMS = ((0xBFE0FC00, 0x0E20CC00, 0x0EA09400), (0xBFC0F400, 0x0F801000, 0x2F800000))
# What hands a number on to general registers or flags, as (mask, code): UMOV, SMOV; FCMP, FCCMP.
_HANDED_ON = ((0xBFE0FC00, 0x0E003C00), (0xBFE0FC00, 0x0E002C00), (0x5F203C00, 0x1E202000), (0x5F200C00, 0x1E200400))
# Conversions between a scalar and a general register, and those of their operations that go to the scalar.
_SCALARS, _TO_SCALAR = (0x5F20FC00, 0x1E200000), (2, 3, 7)


def quick(architecture: str, code: bytes) -> bytes:
    """An object of kernels as it is to be emulated; of other architectures than aarch64 as it is.

    A function stays that hands a number of a vector register on to a general one or to the flags (`hands_on`).
    """
    if architecture != "aarch64":
        return code
    found = bytearray(code)
    for place in ObjectFile(code).functions():
        words = np.frombuffer(found, "<u4", (place.stop - place.start) // 4, place.start)
        if not hands_on(words):
            for mask, floats, integers in _SUMS:
                words[(words & mask) == floats] ^= floats ^ integers
    return bytes(found)


def hands_on(words: np.ndarray) -> bool:
    """Whether one of these instructions hands a number of a vector register on: uint32."""
    mask, scalars = _SCALARS
    from_scalar = ((words & mask) == scalars) & ~np.isin(words >> 16 & 7, _TO_SCALAR)
    return bool(from_scalar.any()) or any(((words & mask) == code).any() for mask, code in _HANDED_ON)
