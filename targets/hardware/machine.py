"""What a schedule needs to know of a processor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """A core's vector unit and caches, and how many cores share the work.

    `lanes`: float32 values in a vector register; `registers`: vector registers; `fma_per_cycle` and
    `loads_per_cycle`: vector instructions started a cycle; `fma_latency`: cycles until a result can be used;
    `l1_bytes`, `l2_bytes`: data caches of one core; `lane_operands`: a multiply-add can take one lane of a register
    for its operand, as Arm's can, so that one load serves as many steps of a reduction as a register has lanes.
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
