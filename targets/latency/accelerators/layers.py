"""A layer as an accelerator's simulator sees it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

from blockfront.plurals import counted

Pair = tuple[int, int]
"""Of the vertical direction and of the horizontal one."""

Operator = Literal["Conv", "Gemm", "MatMul"]
"""What a mapping may name a layer by: a convolution, a linear layer, a product of two activations."""


@dataclass(frozen=True)
class Layer:
    """A grouped convolution of one image: O[g][k][oy][ox] += W[g][k][c][fy][fx] · I[g][c][iy][ix].

    Linear layers and matrix products are such convolutions too, of 1 × 1 pixel; see `product`. `out_chs` and `in_chs`
    are of one group; `size` is the output's and `image` the input's, in pixels; `padding`: pixels before and after, of
    each direction.
    """

    operator: Operator
    groups: int
    out_chs: int
    in_chs: int
    size: Pair
    image: Pair
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those on the border's zeros too."""
        return self.outputs * self.in_chs * self.kernel[0] * self.kernel[1]

    @property
    def outputs(self) -> int:
        """Elements written."""
        return self.groups * self.out_chs * self.size[0] * self.size[1]

    @property
    def elements(self) -> int:
        """Elements of input, weights and output."""
        inputs = self.groups * self.in_chs * self.image[0] * self.image[1]
        weights = self.groups * self.out_chs * self.in_chs * self.kernel[0] * self.kernel[1]
        return inputs + weights + self.outputs

    @property
    def name(self) -> str:
        """Such as "conv 3×3/2 in 96 groups, 96 to 96 channels, 56×56"."""
        kind = {"Conv": "conv", "Gemm": "linear", "MatMul": "product"}[self.operator]
        if self.operator == "Conv":
            kind += f" {self.kernel[0]}×{self.kernel[1]}" + (f"/{self.stride[0]}" if self.stride != (1, 1) else "")
        groups = f" in {counted(self.groups, 'group')}," if self.groups > 1 else ""
        channels = f"{self.groups * self.in_chs} to {counted(self.groups * self.out_chs, 'channel')}"
        return f"{kind}{groups} {channels}, {self.size[0]}×{self.size[1]}"

    def loops(self, bits: int) -> dict[str, Any]:
        """ZigZag's description, with weights and activations of `bits` bits and partial sums of twice as many."""
        sizes = {
            "B": 1,
            "K": self.out_chs,
            "G": self.groups,
            "OX": self.size[1],
            "OY": self.size[0],
            "C": self.in_chs,
            "FX": self.kernel[1],
            "FY": self.kernel[0],
        }
        return {
            "id": 0,
            "name": self.name,
            "operator_type": self.operator,
            "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
            "dimension_relations": [
                f"ix={self.stride[1]}*ox+{self.dilation[1]}*fx",
                f"iy={self.stride[0]}*oy+{self.dilation[0]}*fy",
            ],
            "loop_dims": list(sizes),
            "loop_sizes": list(sizes.values()),
            "operand_precision": {"W": bits, "I": bits, "O": 2 * bits, "O_final": bits},
            "operand_source": {"W": 0, "I": 0},
            "pr_loop_dims": ["IX", "IY"],
            "pr_loop_sizes": [self.image[1], self.image[0]],
            "padding": [list(self.padding[1]), list(self.padding[0])],
        }


def product(operator: Operator, groups: int, rows: int, in_chs: int, out_chs: int) -> Layer:
    """(groups, rows, in_chs) by (groups, in_chs, out_chs): a 1 × 1 convolution whose pixels are the rows.

    The rows stand as an image that is as square as their divisors allow, so that both directions of a mapping are
    used: 196 tokens are 14 × 14, a prime number of them is one line.
    """
    height = next(n for n in range(isqrt(rows), 0, -1) if rows % n == 0)
    size = (height, rows // height)
    return Layer(operator, groups, out_chs, in_chs, size, size)
