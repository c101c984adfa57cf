"""The documentation names commands, options, files and headings that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from blockfront.cli import app
from tests.product import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
BENCH = re.compile(r"(?:^ *|`|\$ |/|&& )bench ([a-z][^`#|;&>\n]*)", re.MULTILINE)
SCRIPT = re.compile(r"python ((?:benchmarks|examples)/\w+\.py)([^`#|;&>\n]*)")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-z])\b")


@cache
def _bench() -> Any:
    return get_command(app)


def _wrong_bench(words: list[str]) -> str | None:
    """What a `bench` command has that there is not: a command, or an option of it."""
    command = _bench()
    while (commands := getattr(command, "commands", None)) and words:
        name, *words = words
        if not re.fullmatch("[a-z-]+", name):
            return None  # A pattern, such as `bench NAME --help`.
        if name not in commands:
            return name
        command = commands[name]
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    return next((word for word in words if OPTION.match(word) and word.partition("=")[0] not in known), None)


def _wrong(text: str) -> Iterator[str]:
    """What is named in a text and is not there, behind the command that it stands in."""
    whole = text.replace("\\\n", " ")
    for call in BENCH.findall(whole):
        if (name := _wrong_bench(call.split())) is not None:
            yield f"bench {call}: {name}"
    for file, call in SCRIPT.findall(whole):
        path = ROOT / file
        source = path.read_text("utf-8") if path.is_file() else ""
        missing = [option for option in OPTION.findall(call) if f'"{option}"' not in source]
        if missing or not source:
            yield f"python {file}: {missing}"


def _heading(text: str) -> str:
    """A heading's name in links, as GitHub makes it."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_in_a_document_is_there(document: Path) -> None:
    assert list(_wrong(document.read_text("utf-8"))) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_in_a_document_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if link.startswith("http"):
            continue
        name, _, heading = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        if heading:
            assert heading in map(_heading, re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)), link


def test_the_check_sees_what_is_not_there() -> None:
    wrong = "`bench sampel`, `bench sample --taget rk3399`, `bench anchors search x --most 3 --least 2`\n"
    wrong += "    bench rank resnet18 --target rk3399 --within 33ms --cheap\n"
    wrong += "python benchmarks/kernels.py --models\npython benchmarks/none.py\n"
    assert len(list(_wrong(wrong))) == 5
