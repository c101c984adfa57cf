from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.design_space import SPACES, load_space
from blockfront.errors import UsageError

SOURCE = """
import torch
from torch import nn

from blockfront.blocks import register_block
from blockfront.design_space import DesignSpace, Stage, choice, integer


@register_block("{block}")
class Mine(nn.Module):
    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, gain: float = 1.0):
        super().__init__()
        self.conv = nn.Conv2d(in_chs, out_chs, 3, stride, 1)
        self.gain = gain

    def forward(self, x):
        return self.conv(x) * self.gain


space = DesignSpace(
    "mine", resolution=32, num_classes=7, stem_stride=1, family=choice("{block}", "ghost"),
    stages=[Stage(integer(1, 2), integer(8, 32, step=8), stride=2, gain=choice(0.5, 2))],
)
number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "spaces.py"
    path.write_text(SOURCE.format(block=f"mine_{abs(hash(tmp_path))}"))
    return str(path)


def test_a_users_file_gives_its_space_with_its_own_block(file: str) -> None:
    space = load_space(f"{file}:space")
    families = {space.sample(0, index).family for index in range(12)}
    assert families == set(space.family.values)
    assert space.sample(0, 0).num_classes == 7


def test_a_file_is_run_once_however_often_it_is_loaded(file: str) -> None:
    assert load_space(f"{file}:space").hash == load_space(f"{file}:space").hash


def test_a_given_input_replaces_the_files(file: str) -> None:
    space = load_space(f"{file}:space", resolution=64, num_classes=5)
    assert (space.resolution, space.num_classes) == (64, 5)
    assert load_space(f"{file}:space", num_classes=5).resolution == 32


def test_a_preset_is_built_for_the_input_given() -> None:
    assert load_space("mobile") == SPACES["mobile"].build(224, 1000)
    assert load_space("resnet", 32, 10) == SPACES["resnet"].build(32, 10)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("spece", "defines no design space 'spece'; did you mean space"),
        ("zzz", "defines no design space 'zzz'; it has space"),
        ("number", "is no design space but of type int; it has space"),
    ],
)
def test_a_name_that_is_no_space_is_refused(file: str, name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        load_space(f"{file}:{name}")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import nothing_of_this_name", r"does not import \(line 1\): ModuleNotFoundError: No module named"),
        ("x = 1\ny = 1 / 0\n", r"does not import \(line 2\): ZeroDivisionError: division by zero"),
        ("x = 1\n\ndef f(:\n", r"does not import \(line 3\): SyntaxError"),
        ("import sys\nsys.exit(3)\n", r"does not import \(line 2\): SystemExit: 3"),
        ("assert False", r"does not import \(line 1\): AssertionError$"),
    ],
)
def test_a_file_that_does_not_import_says_why_in_one_line(tmp_path: Path, source: str, complaint: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source)
    for _ in range(2):
        with pytest.raises(UsageError, match=complaint) as error:
            load_space(f"{path}:space")
        assert "\n" not in str(error.value)


def test_a_wrong_reference_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load_space(f"{tmp_path}/none.py:space")
    with pytest.raises(UsageError, match=r"write file\.py:name"):
        load_space(f"{tmp_path}/none.py")
    with pytest.raises(UsageError, match="unknown design space 'mobil'; did you mean mobile"):
        load_space("mobil")
