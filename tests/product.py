"""Where the product lies, as the package is made of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: dict[str, str] = {"blockfront": "blockfront", **PYPROJECT["tool"]["setuptools"]["package-dir"]}
"""Package to the folder of the tree that it is."""
FOLDERS = tuple(PACKAGES.values())
