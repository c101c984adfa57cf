"""What Typer says of a wrong call and in a command's help: plain words, for every command and option there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer.main

from blockfront.cli import app, run
from blockfront.commands.compare import _require_one_space
from blockfront.errors import UsageError
from blockfront.training import DATASETS

WANTED = {int: "whole number", float: "number"}


def commands(command=None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command and group with the words that call it."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


NUMBERS = [
    (*path, max(option.opts, key=len), WANTED[option.type_descriptor.annotation])
    for path, command in commands()
    for option in command.params
    if option.opts[0].startswith("-") and option.type_descriptor.annotation in WANTED
]
GROUPS = [path for path, command in commands() if hasattr(command, "commands")]


def test_numbers_and_groups_are_found() -> None:
    assert len(NUMBERS) > 40
    assert ("profile", "--batch", "whole number") in NUMBERS
    assert ("sample", "--profile-minutes", "number") in NUMBERS
    assert ("board",) in GROUPS


@pytest.mark.parametrize("words", NUMBERS, ids=" ".join)
def test_what_is_no_number_is_said_in_words_and_with_the_commands_own_help(words, capsys) -> None:
    *path, option, wanted = words
    assert run([*path, option, "x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: Invalid value for '{option}'")
    assert said.endswith(f": 'x' is no {wanted} (see bench {' '.join(path)} --help)\n")


@pytest.mark.parametrize("path", GROUPS, ids=lambda path: " ".join(("bench", *path)))
def test_a_group_alone_prints_its_help_as_it_is(path, capsys) -> None:
    assert run(path) == 2
    alone = capsys.readouterr().err
    assert run([*path, "--help"]) == 0
    assert alone == capsys.readouterr().out


def test_help_names_every_kind_of_data_set_and_of_model(capsys) -> None:
    run(["datasets", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert [source.form for source in DATASETS.values() if source.takes and source.form not in said] == []
    run(["profile", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for kind in ("timm name", "torchvision:NAME", "file.onnx", "file.py:factory", "network's text", "file.safetensors"):
        assert kind in said


def test_a_comparison_of_two_spaces_says_what_draws_them_together() -> None:
    """Segmenters that answer with logits and those that answer with labels, say."""
    made = {name: {"settings": {"space": name, "space_hash": name}} for name in ("segment", "segment_labels")}
    refused = "segment is of segment, segment_labels is of segment_labels.*: bench report segment segment_labels draws"
    with pytest.raises(UsageError, match=refused):
        _require_one_space(made)
