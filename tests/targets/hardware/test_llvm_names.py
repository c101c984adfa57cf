"""A name that LLVM does not know is refused before it makes other code of it, or ends the process."""

from dataclasses import replace

import pytest

from blockfront.errors import UsageError
from blockfront.targets import HARDWARE, Processor, Target, get_target
from blockfront.targets.hardware.integer import require_int8
from blockfront.targets.hardware.llvm_names import check_names

ARM = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a55", "mattr": ["+neon"]}


@pytest.mark.parametrize("name", [name for name in HARDWARE if isinstance(HARDWARE[name], Target)])
def test_llvm_knows_what_the_catalogue_names(name):
    described = HARDWARE[name].tvm_target
    check_names(described if described["kind"] == "llvm" else described["host"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mtriple": "arch64-linux-gnu"}, "unknown instruction set 'arch64'; did you mean aarch64"),
        ({"mcpu": "cortex-a552"}, "unknown mcpu 'cortex-a552'; did you mean"),
        ({"mcpu": "u74"}, "unknown mcpu 'u74'; LLVM knows no such processor of aarch64-linux-gnu"),
        ({"mattr": ["+neon", "+dotprodd"]}, r"mattr '\+dotprodd' is no feature that LLVM knows of aarch64-linux-gnu"),
        ({"mattr": ["dotprod"]}, r"mattr 'dotprod' is no feature .*; write it as \+NAME or -NAME"),
    ],
)
def test_a_misspelt_name_is_refused_whatever_is_asked(wrong, said):
    board = replace(get_target("rk3566"), tvm_target={**ARM, **wrong})
    assert isinstance(board, Processor)
    for ask in (board.compiler, lambda: board.machine(1), lambda: require_int8(board)):
        with pytest.raises(UsageError, match=said):
            ask()


def test_features_that_no_processor_has_by_itself_may_be_asked_for():
    check_names({**ARM, "mattr": ["+reserve-x18", "-neon", "+dotprod"]})
