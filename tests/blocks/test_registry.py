from __future__ import annotations

import pytest
import torch
from torch import nn

from blockfront.blocks import BLOCKS, create_block, register_block
from blockfront.errors import UsageError


def test_a_block_of_ten_lines_becomes_known_with_its_options() -> None:
    @register_block("my_block", "mine", "a paper")
    class MyBlock(nn.Module):
        def __init__(
            self,
            in_chs: int,
            out_chs: int,
            stride: int = 1,
            kernel: int = 3,
            gain: float = 1.0,
            on: bool = True,
        ) -> None:
            super().__init__()
            self.gain = gain
            self.conv = nn.Conv2d(in_chs, out_chs, kernel, stride, kernel // 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x) * self.gain

    assert BLOCKS["my_block"].cls is MyBlock
    assert BLOCKS["my_block"].options == {"kernel": 3, "gain": 1.0, "on": True}
    assert (BLOCKS["my_block"].title, BLOCKS["my_block"].source) == ("mine", "a paper")
    block = create_block("my_block", 8, 16, 2, kernel=5, gain=2)
    assert block(torch.zeros(1, 8, 8, 8)).shape == (1, 16, 4, 4)
    assert isinstance(block.gain, float)


@pytest.mark.parametrize("name", ["", "Ghost", "2d", "a-b", "a/b", "ir_r2", "a_r2_b", "stem", "head", "cnn"])
def test_a_name_the_text_form_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case"):
        register_block(name)


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(UsageError, match="already registered"):

        @register_block("ghost")
        class Another(nn.Module):
            def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
                super().__init__()


def _with_other_arguments(self: nn.Module, channels: int) -> None: ...


def _with_an_option_without_default(self: nn.Module, in_chs: int, out_chs: int, stride: int, kernel: int) -> None: ...


def _with_an_option_that_is_a_list(
    self: nn.Module, in_chs: int, out_chs: int, stride: int = 1, kernels: tuple[int, ...] = (3,)
) -> None: ...


def _with_a_stage_field(self: nn.Module, in_chs: int, out_chs: int, stride: int = 1, depth: int = 1) -> None: ...


def _with_anything(self: nn.Module, in_chs: int, out_chs: int, stride: int = 1, **options: int) -> None: ...


@pytest.mark.parametrize(
    ("init", "complaint"),
    [
        (_with_other_arguments, "must begin with"),
        (_with_an_option_without_default, "'kernel' needs a default"),
        (_with_an_option_that_is_a_list, "'kernels' needs a default that is"),
        (_with_a_stage_field, "'depth' is a field of every stage"),
        (_with_anything, "'options' needs a default"),
    ],
)
def test_another_signature_is_refused(init: object, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        register_block("odd")(type("Odd", (nn.Module,), {"__init__": init}))
    assert "odd" not in BLOCKS


def test_an_unknown_option_suggests_a_near_one() -> None:
    with pytest.raises(UsageError, match="no option 'expand'; did you mean expansion"):
        create_block("ir", 16, 16, expand=3)
    with pytest.raises(UsageError, match="it takes none"):
        create_block("basic", 16, 16, kernel=3)


@pytest.mark.parametrize(("option", "value"), [("kernel", "3"), ("kernel", 3.5), ("kernel", True), ("act", 6)])
def test_a_value_of_another_type_is_refused(option: str, value: bool | float | str) -> None:
    with pytest.raises(UsageError, match=f"option '{option}' of block 'ir' is"):
        create_block("ir", 16, 16, **{option: value})


def test_whole_numbers_have_one_spelling() -> None:
    assert type(BLOCKS["ir"].option("expansion", 6)) is float
    assert type(BLOCKS["ir"].option("kernel", 3.0)) is int


@pytest.mark.parametrize(
    ("name", "widths", "options", "complaint"),
    [
        ("shufflenet_v1", (24, 24), {"groups": 16}, "16 does not divide"),
        ("shufflenet_v2", (7, 7), {}, "even width"),
        ("bottleneck", (8, 10), {}, "multiple of 4"),
        ("uir", (8, 8), {"variant": "extra"}, "extradw, ib, convnext or ffn"),
        ("mixconv", (8, 8), {"kernel": 4}, "3, 5, 7, 9 or 11"),
        ("ir", (8, 8), {"se": 2}, "0 to 1"),
        ("ir", (8, 8), {"act": "swoosh"}, "cannot be built from 8 to 8 channels"),
        ("ds", (0, 8), {}, "positive widths"),
    ],
)
def test_an_impossible_block_says_why(
    name: str, widths: tuple[int, int], options: dict[str, int | str], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        create_block(name, *widths, **options)
