"""The parts import each other in one direction only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOARD = Path(__file__).parents[2] / "bench" / "board"
LEAVES = {"bench.digest", "bench.errors", "bench.files", "bench.python_file", "bench.registry"}
MAY_IMPORT = {
    "bench/results": {"bench.results"},
    "tasks": {"bench.tasks", "bench.results"},
    "blocks": {"bench.blocks"},
    "design_space": {"bench.design_space", "bench.blocks", "bench.results"},
    "targets": {"bench.targets", "bench.board", "bench.results"},
    "training": {"bench.training", "bench.tasks", "bench.results"},
    "analysis": {"bench.analysis", "bench.results"},
}


def _imports(file: Path, package: str) -> set[str]:
    """Every module of ours that a file imports anywhere in it, relative imports made absolute."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parents, node.module or ""]).strip(".") if node.level else node.module or ""
            found |= {f"{base}.{alias.name}" for alias in node.names} if base == "bench" else {base}
    return {name for name in found if name.split(".")[0] == "bench"}


def _files(part: str) -> list[tuple[Path, str]]:
    folder = ROOT / part
    package = part.removeprefix("bench/")
    return [
        (file, ".".join(["bench", package, *file.parent.relative_to(folder).parts]))
        for file in sorted(folder.rglob("*.py"))
    ]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_lies_below_it(part):
    files = _files(part)
    assert files
    allowed = MAY_IMPORT[part]
    for file, package in files:
        for name in _imports(file, package):
            fits = name in LEAVES or any(name == root or name.startswith(f"{root}.") for root in allowed)
            assert fits, f"{file.relative_to(ROOT)} imports {name}"


def test_what_runs_on_boards_imports_nothing_else_of_ours():
    for file in sorted(BOARD.glob("*.py")):
        for name in _imports(file, "bench.board"):
            assert name in LEAVES or name.startswith("bench.board."), f"{file.name} imports {name}"


def test_the_check_sees_an_import_against_the_order(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def late():\n    from bench.targets import get_target\n    from . import sibling\n")
    assert _imports(wrong, "bench.blocks") == {"bench.targets", "bench.blocks"}


def test_the_front_door_and_the_help_stay_cheap():
    """Neither loads torch: a wrong option is told at once."""
    code = (
        "import sys, bench.errors, bench.cli\n"
        "assert bench.cli.run(['sample', '--help']) == 0\n"
        "assert not {'torch', 'tvm', 'optuna', 'distributed', 'plotly'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there():
    import bench

    for name in bench.__all__:
        assert callable(getattr(bench, name))
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        getattr(bench, "smaple")  # noqa: B009
