"""A made-up accelerator in files of a user's, and the catalogue's simplest."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.targets import Accelerator, Asked, choose

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def square():
    """8 × 8 multiply-adders, output channels along one side, input channels along the other, at 1 GHz."""
    files = FOLDER / "square.yaml", FOLDER / "square_mapping.yaml"
    return Accelerator("square", "a square", hardware=str(files[0]), mapping=str(files[1]), clock_ghz=1.0)


@pytest.fixture(scope="session")
def options(square):
    return choose(Asked(square)).options
