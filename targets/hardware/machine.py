"""What a schedule needs to know of a processor."""

from __future__ import annotations

from dataclasses import dataclass, replace

# For each instruction that multiplies bytes: instructions that four products for each lane of a register take,
# registers that they need besides, and products for each lane in one multiplication. SMLAD is the core's own, one a
# cycle whatever the unit for floats takes.
_BYTE_PRODUCTS = {
    "vpdpbusd": (1, 0, 4),
    "sdot": (1, 0, 4),
    "smull": (3, 2, 2),
    "pmaddwd": (4, 4, 2),
    "vwmacc": (4, 4, 1),
    "vmla": (4, 0, 1),
    "smlad": (3, 0, 2),
}
WORD = 4
"""Bytes in a word; channels are filled up to whole ones."""
_BYTES = 16
"""Bytes that a kernel reads and writes at once, at least, unless a load widens them and a store narrows."""


@dataclass(frozen=True)
class Machine:
    """A core's vector unit and caches, and how many cores share the work.

    `lanes`: float32 values in a vector register; `registers`: vector registers; `fma_per_cycle` and
    `loads_per_cycle`: vector instructions started a cycle; `fma_latency`: cycles until a result can be used;
    `l1_bytes`, `l2_bytes`: data caches of one core; `lane_operands`: a multiply-add can take one lane of a register
    for its operand, as Arm's can, so that one load serves as many steps of a reduction as a register has lanes;
    `byte_products`: the instruction that multiplies bytes (`hardware/integer.py`), None without any; `stored_at_once`:
    of how many columns a tile should have a multiple, because fewer are stored one by one; `halves`: it computes in
    float16, twice as many values at once; `line`: values in a line of a cache.
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
    stored_at_once: int = 1
    halves: bool = False
    line: int = 16

    @property
    def byte(self) -> str:
        """The type of quantised values in memory: the products of x86 are of bytes without a sign by such with one."""
        return "uint8" if self.byte_products in ("vpdpbusd", "pmaddwd") else "int8"

    @property
    def word_bytes(self) -> int:
        """How many neighbouring bytes the instruction adds the products of."""
        return 2 if self.byte_products in ("smull", "vwmacc") else WORD

    @property
    def _bytes_at_once(self) -> int:
        """A Cortex-M's loads widen bytes, Helium's a vector of them."""
        return self.lanes if self.byte_products in ("vmla", "smlad") else max(self.lanes, _BYTES)

    @property
    def _integer_registers(self) -> int:
        """Registers for sums of integers: of a Cortex-M without vectors the core's own, but for those of addresses."""
        return 10 if self.byte_products == "smlad" else self.registers

    @property
    def masks(self) -> bool:
        """Whether a load may leave a vector as it is, so that rows beyond a border cost no instruction."""
        return self.byte == "uint8"

    @property
    def zips(self) -> bool:
        """Whether to put four rows of a window into words pays, because one instruction then takes them all."""
        return _BYTE_PRODUCTS.get(self.byte_products or "", (4,))[0] == 1

    @property
    def products(self) -> int:
        """Products of bytes that the units which multiply float32 do in the place of one, at most."""
        if self.byte_products is None:
            return 1
        products = _BYTE_PRODUCTS[self.byte_products][-1]
        return max(1, round(products / self.fma_per_cycle)) if self.byte_products == "smlad" else products

    def of_halves(self) -> Machine:
        """For float16: registers, lines and caches hold twice as many values as of float32."""
        return replace(
            self,
            lanes=2 * self.lanes,
            l1_bytes=2 * self.l1_bytes,
            l2_bytes=2 * self.l2_bytes,
            line=2 * self.line,
        )

    def of_dot_products(self) -> Machine:
        """For sums of four products of bytes a lane, in place of one of float32."""
        if self.byte_products is None:
            return self
        instructions, spare, _ = _BYTE_PRODUCTS[self.byte_products]
        # A register of pairs of bytes is multiplied into two of sums.
        together = WORD // self.word_bytes
        return replace(
            self,
            lanes=self.lanes * together,
            fma_per_cycle=self.fma_per_cycle / instructions / together,
            registers=(self._integer_registers - spare) // together,
            stored_at_once=self._bytes_at_once,
        )

    def of_bytes(self, widened: bool = True) -> Machine:
        """For kernels of bytes: of as many as a register holds, or where they are widened, of so many that what was one
        vector is several registers."""
        if not widened:
            return replace(self, lanes=4 * self.lanes)
        together = self._bytes_at_once // self.lanes
        return replace(
            self,
            lanes=self.lanes * together,
            registers=self._integer_registers // together,
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
