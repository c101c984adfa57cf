"""What a schedule needs to know of a processor."""

from __future__ import annotations

from dataclasses import dataclass, replace

# For each instruction that multiplies bytes: instructions that four products for each lane of a register take, and
# registers that they need besides.
_BYTE_PRODUCTS = {"vpdpbusd": (1, 0), "sdot": (1, 0), "smull": (4, 4), "pmaddwd": (4, 4)}
_BYTES = 16
"""Bytes that a kernel reads and writes at once, at least."""


@dataclass(frozen=True)
class Machine:
    """A core's vector unit and caches, and how many cores share the work.

    `lanes`: float32 values in a vector register; `registers`: vector registers; `fma_per_cycle` and
    `loads_per_cycle`: vector instructions started a cycle; `fma_latency`: cycles until a result can be used;
    `l1_bytes`, `l2_bytes`: data caches of one core; `lane_operands`: a multiply-add can take one lane of a register
    for its operand, as Arm's can, so that one load serves as many steps of a reduction as a register has lanes;
    `byte_products`: the instruction that multiplies bytes (`hardware/integer.py`), None without any.
    """

    lanes: int
    registers: int
    threads: int
    fma_per_cycle: float = 1
    loads_per_cycle: int = 1
    fma_latency: int = 4
    l1_bytes: int = 32 * 1024
    l2_bytes: int = 512 * 1024
    lane_operands: bool = False
    byte_products: str | None = None

    @property
    def byte(self) -> str:
        """The type of quantised values in memory: the products of x86 are of bytes without a sign by such with one."""
        return "uint8" if self.byte_products in ("vpdpbusd", "pmaddwd") else "int8"

    @property
    def zips(self) -> bool:
        """Whether to put four rows of a window into words pays, because one instruction then takes them all."""
        return _BYTE_PRODUCTS.get(self.byte_products or "", (4, 0))[0] == 1

    def of_dot_products(self) -> Machine:
        """For sums of four products of bytes a lane, in place of one of float32."""
        if self.byte_products is None:
            return self
        instructions, registers = _BYTE_PRODUCTS[self.byte_products]
        # Where one instruction does not do it all, no operand is a lane of a register.
        lane_operands = self.lane_operands and instructions == 1
        return replace(
            self,
            fma_per_cycle=self.fma_per_cycle / instructions,
            registers=self.registers - registers,
            lane_operands=lane_operands,
        )

    def of_bytes(self) -> Machine:
        """For kernels that widen bytes: what was one vector is as many registers as hold the widened values."""
        together = max(1, _BYTES // self.lanes)
        return replace(
            self,
            lanes=self.lanes * together,
            registers=self.registers // together,
            fma_per_cycle=self.fma_per_cycle / together,
        )

    def vector_widths(self) -> list[int]:
        """Widths worth using, widest first: the register's, and halves of it for narrow tensors."""
        widths = [self.lanes]
        while widths[-1] > 1:
            widths.append(widths[-1] // 2)
        return widths

    def multiply_adds_a_cycle(self, lanes: int) -> float:
        """Vector multiply-adds of that width started a cycle: one unit of 512 bits is two of 256 bits."""
        return 2 * self.fma_per_cycle if self.fma_per_cycle == 1 and self.lanes == 16 > lanes else self.fma_per_cycle

    def widest_vector(self, length: int) -> int:
        """The widest of them that divides `length`, so that no vector is partly used."""
        return next(width for width in self.vector_widths() if length % width == 0)
