"""What an error says of a name that nothing has."""

from __future__ import annotations

from blockfront.errors import near_names, unknown


def test_a_misspelt_name_gets_the_near_ones_and_not_the_others() -> None:
    assert str(unknown("block", "gohst", ["ir", "ghost"])) == "unknown block 'gohst'; did you mean ghost?"


def test_several_near_names_come_nearest_first() -> None:
    message = str(unknown("study", "tiny-ab", ["tiny-xy", "tiny-abc", "other"]))
    assert message == "unknown study 'tiny-ab'; did you mean tiny-abc or tiny-xy?"


def test_a_name_near_none_gets_all_of_them() -> None:
    assert str(unknown("format", "xlsx", ["parquet", "csv"])) == "unknown format 'xlsx'; known: parquet, csv"


def test_nothing_known_is_told() -> None:
    assert str(unknown("block", "ir", [])) == "unknown block 'ir'; known: none"


def test_another_remedy_stands_only_where_nothing_is_near() -> None:
    assert str(unknown("model", "zzz", ["resnet18"], otherwise="give a file")) == "unknown model 'zzz'; give a file"
    near = unknown("model", "resnet81", ["resnet18"], otherwise="give a file")
    assert str(near) == "unknown model 'resnet81'; did you mean resnet18?"


def test_names_of_one_thing_are_told_with_it() -> None:
    message = str(unknown("option", "expand", ["expansion"], within="block 'ir' has"))
    assert message == "block 'ir' has no option 'expand'; did you mean expansion?"


def test_no_more_than_three_names_are_near() -> None:
    assert len(near_names("abcd", [f"abcd{digit}" for digit in range(9)])) == 3
