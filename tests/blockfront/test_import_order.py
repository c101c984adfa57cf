"""The rooms import each other in one direction only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.product import PACKAGES, ROOT

LEAVES = {
    f"blockfront.{name}"
    for name in (
        *("content_store", "cores", "debian", "digest", "errors", "evaluation", "files", "plurals", "python_file"),
        *("registry", "siblings", "signature", "steps", "wheels"),
    )
}
FRONT = "blockfront"
"""The front door: `__init__`, `api`, `cli`, `testing`."""

MAY_IMPORT = {
    "blockfront.results": set(),
    "blockfront.board": {"engines"},
    "blockfront.agreement": set(),
    "blockfront.engines": set(),
    "blockfront.integer": set(),
    "blockfront.console": {"results"},
    "blockfront.tasks": {"results"},
    "blockfront.blocks": set(),
    "blockfront.adaptations": {"blocks", "training"},
    "blockfront.design_space": {"adaptations", "agreement", "blocks", "engines", "tasks", "training", "results"},
    "blockfront.anchors": {"design_space", "tasks", "results"},
    "blockfront.targets.hardware": set(),
    "blockfront.targets.compiler": {"targets.hardware", "agreement", "integer"},
    "blockfront.targets.quantization": {"targets.compiler", "agreement", "integer"},
    "blockfront.targets.latency": {
        *("targets.hardware", "targets.compiler", "targets.quantization", "agreement", "board", "engines", "integer"),
        "results",
    },
    "blockfront.targets.library": {"targets.hardware", "targets.compiler", "targets.latency", "agreement"},
    "blockfront.targets.npu": {"targets.compiler", "targets.latency"},
    "blockfront.targets.tuning": {"targets.hardware", "targets.compiler", "targets.latency", "agreement"},
    "blockfront.targets": {"targets.hardware", "targets.compiler", "targets.latency", "results"},
    "blockfront.training": {"tasks", "results"},
    "blockfront.analysis": {"results"},
    "blockfront.study": {"design_space", "results"},
    "blockfront.sweep": {
        *("study", "console", "adaptations", "anchors", "blocks", "design_space", "targets", "training", "tasks"),
        *("analysis", "results"),
    },
    "blockfront.services": {
        *("sweep", "study", "console", "board", "engines", "blocks", "design_space", "targets", "training", "tasks"),
        *("agreement", "anchors", "results"),
    },
    "blockfront.validation": {"services", "console", "design_space", "targets", "training", "analysis", "results"},
    "blockfront.commands": {
        *("services", "validation", "sweep", "study", "console", "board", "blocks", "design_space", "targets"),
        *("anchors", "training", "tasks", "analysis", "results"),
    },
    FRONT: {"commands", "services", "sweep", "study", "console", "targets", "blocks", "analysis"},
}
"""Each room and the rooms below it; a room of `targets/` is named by itself, `targets` means them all."""


def _imports(file: Path, package: str) -> set[str]:
    """Every module of ours that a file imports anywhere in it, relative imports made absolute."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parents, node.module or ""]).strip(".") if node.level else node.module or ""
            found |= {f"{base}.{alias.name}" for alias in node.names} if base == "blockfront" else {base}
    return {name for name in found if name.split(".")[0] == "blockfront"}


def _modules() -> dict[str, tuple[Path, str]]:
    """Every module of the product: its name to its file and its package."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            inside = ".".join([package, *parts[:-1]])
            found[".".join([package, *parts]).removesuffix(".__init__")] = (file, inside)
    return found


def _room(module: str) -> str:
    """The room that a module lies in: the longest of their names that its own begins with."""
    return max((room for room in MAY_IMPORT if module == room or module.startswith(f"{room}.")), key=len)


def _rooms() -> dict[str, list[tuple[str, Path, str]]]:
    rooms = defaultdict(list)
    for module, (file, package) in _modules().items():
        if module not in LEAVES:
            rooms[_room(module)].append((module, file, package))
    return rooms


def test_every_folder_is_a_room_with_a_place_in_the_order():
    rooms = _rooms()
    assert set(rooms) == set(MAY_IMPORT)
    packages = {package for _, package in _modules().values() if package.count(".") == 1}
    assert packages <= set(MAY_IMPORT)
    assert all(len(rooms[room]) >= 1 for room in MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_below_it(room):
    allowed = {f"blockfront.{name}" for name in MAY_IMPORT[room]}
    for module, file, package in _rooms()[room]:
        for name in _imports(file, package):
            below = any(name == root or name.startswith(f"{root}.") for root in allowed)
            own = _room(name) == room
            assert below or own or name in LEAVES, f"{module} imports {name}"


def test_the_order_of_the_rooms_has_no_circle():
    below = {room: {f"blockfront.{name}" for name in names} for room, names in MAY_IMPORT.items()}
    while below:
        lowest = [room for room, rooms in below.items() if not rooms & set(below)]
        assert lowest, f"a circle among {sorted(below)}"
        for room in lowest:
            del below[room]


def test_no_module_imports_itself_round_about_not_even_within_functions():
    modules = _modules()
    needed = {}
    for module, (file, _) in modules.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        types = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
        tree.body = [node for node in tree.body if node not in types]
        found = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
        names = {(node.module, f"{node.module}.{alias.name}") for node in found for alias in node.names}
        needed[module] = {inside if inside in modules else whole for whole, inside in names} & set(modules)
    assert sum(map(len, needed.values())) > 2000
    TopologicalSorter(needed).prepare()  # Raises an error that names the circle.


def test_leaves_import_leaves_alone():
    for name in LEAVES:
        file, package = _modules()[name]
        assert _imports(file, package) <= LEAVES, name


def test_what_runs_on_boards_imports_nothing_else_of_ours():
    rooms = ("blockfront.board", "blockfront.engines")
    for module, file, package in _rooms()["blockfront.board"]:
        for name in _imports(file, package):
            assert name in LEAVES or _room(name) in rooms, f"{module} imports {name}"


def test_the_check_sees_an_import_against_the_order(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def late():\n    from blockfront.targets import get_target\n    from . import sibling\n")
    assert _imports(wrong, "blockfront.blocks") == {"blockfront.targets", "blockfront.blocks"}


@pytest.mark.processes
def test_the_front_door_and_the_help_stay_cheap():
    """Neither loads torch: a wrong option is told at once."""
    code = (
        "import sys, blockfront.errors, blockfront.cli\n"
        "assert blockfront.cli.run(['sample', '--help']) == 0\n"
        "assert not {'torch', 'tvm', 'optuna', 'distributed', 'plotly'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there():
    import blockfront

    for name in blockfront.__all__:
        assert callable(getattr(blockfront, name))
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        getattr(blockfront, "smaple")  # noqa: B009
