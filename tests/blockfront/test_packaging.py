"""What an installer gets: every package and file, both commands, one version, all that is imported."""

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import blockfront
from blockfront import cli
from tests.product import PACKAGES, PYPROJECT, ROOT

PROJECT, SETUPTOOLS = PYPROJECT["project"], PYPROJECT["tool"]["setuptools"]
BROUGHT = {"PyYAML": "zigzag-dse"}
"""A distribution that another always brings: the reader of the files that it takes."""


def _files() -> dict[Path, str]:
    """Every file of the product, and the package that its folder would be."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                found[file] = ".".join([package, *file.parent.relative_to(ROOT / folder).parts])
    return found


def test_every_folder_with_modules_is_a_package_of_the_wheel():
    assert sorted(SETUPTOOLS["packages"]) == sorted({p for file, p in _files().items() if file.suffix == ".py"})


def test_every_other_file_is_data_of_a_package():
    folders = {package: file.parent for file, package in _files().items() if file.name == "__init__.py"}
    packed = {
        file
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for file in folders[package].glob(pattern)
    }
    assert {file for file in _files() if file.suffix != ".py"} == packed
    assert {"report.css", "report.js", "py.typed", "core_models.json"} <= {file.name for file in packed}


@pytest.mark.parametrize("command", ["bench", "blockfront"])
def test_both_commands_are_the_same(command: str):
    (point,) = importlib.metadata.entry_points(group="console_scripts", name=command)
    assert point.load() is cli.main


def test_the_version_stands_in_one_place(capsys: pytest.CaptureFixture[str]):
    assert PROJECT["dynamic"] == ["version"]
    assert SETUPTOOLS["dynamic"] == {"version": {"attr": "blockfront.__version__"}}
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"blockfront {blockfront.__version__}\n"
    again = re.compile(rf'\bversion\W+"?{re.escape(blockfront.__version__)}\b', re.IGNORECASE)
    files = [file for pattern in ("*.md", "*.cff", "*.toml") for file in ROOT.glob(pattern)]
    assert [file.name for file in files if again.search(file.read_text())] == []


def test_what_a_release_is_described_by_is_there():
    for field in ("name", "description", "readme", "license", "authors", "keywords", "classifiers", "requires-python"):
        assert PROJECT[field]
    for name in (PROJECT["readme"], *PROJECT["license-files"]):
        assert (ROOT / name).is_file()


def _imported() -> dict[str, str]:
    """Top-level modules that the product imports anywhere, each with a file that does."""
    found = {}
    for file in _files():
        for node in ast.walk(ast.parse(file.read_text())) if file.suffix == ".py" else ():
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0]: file.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found[str(node.module).partition(".")[0]] = file.name
    return {module: name for module, name in found.items() if module not in {*sys.stdlib_module_names, "blockfront"}}


def test_every_imported_distribution_is_declared():
    extras = PROJECT["optional-dependencies"]
    lines = [
        *PROJECT["dependencies"],
        *extras["accelerators"],
        *extras["peers"],
        *extras["executorch"],
        *extras["ethos"],
    ]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    distributions = importlib.metadata.packages_distributions()
    for module, name in _imported().items():
        owners = {canonicalize_name(BROUGHT.get(owner, owner)) for owner in distributions.get(module, [module])}
        assert owners & declared, f"{name} imports {module}"
