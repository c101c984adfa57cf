"""Accelerators as targets: names, the user's own files, and what is wrong with broken ones."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from blockfront.errors import UsageError
from blockfront.targets import HARDWARE, Accelerator, Asked, choose, find_hardware
from blockfront.targets.hardware import zigzag_files
from blockfront.targets.hardware.zigzag_files import INSTALL

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[3]
NAMES = {"edge_tpu_like", "eyeriss_like", "tpu_like", "ascend_like", "tesla_npu_like", "meta_prototype"}


def test_the_catalogue_has_zigzags_models():
    assert {name for name, one in HARDWARE.items() if isinstance(one, Accelerator)} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_figure_of_an_accelerator_says_where_it_is_from(name):
    found = HARDWARE[name].figures()
    assert [figure for figure, (_, source) in found.items() if source == "not given"] == []
    assert found["bits"][0] == 8
    assert f"`{name}`" in (ROOT / "docs" / "accelerators.md").read_text()


# Sizes of the arrays, from ZigZag's own files.
@pytest.mark.parametrize(
    ("name", "macs"), [("edge_tpu_like", 1024), ("eyeriss_like", 168), ("tpu_like", 1024), ("tesla_npu_like", 4096)]
)
def test_the_array_of_an_accelerator_is_that_of_its_file(name, macs):
    assert HARDWARE[name].figures()["macs_per_cycle"][0] == macs


def test_the_extra_brings_what_the_install_command_does():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [word.strip("'") for word in INSTALL.split()[2:]] == extras["accelerators"]


USERS = """
from pathlib import Path
from blockfront.targets import Accelerator

mine = Accelerator(
    "mine", "mine", hardware={hardware!r}, mapping=str(Path(__file__).with_name("mapping.yaml")), clock_ghz=0.4
)
"""


def test_a_users_own_files_are_a_target(tmp_path):
    hardware = tmp_path / "hardware.yaml"
    hardware.write_text((FOLDER / "square.yaml").read_text())
    (tmp_path / "mapping.yaml").write_text((FOLDER / "square_mapping.yaml").read_text())
    (tmp_path / "mine.py").write_text(USERS.format(hardware=str(hardware)))
    mine = choose(Asked(find_hardware(f"{tmp_path / 'mine.py'}:mine"))).options.target
    assert mine.clock_ghz == 0.4
    # 4096 bits a cycle at 0.4 GHz
    assert mine.figures()["read_gbs"][0] == pytest.approx(204.8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "name: [", "hardware file: ParserError"),
        (lambda text: "- 7", "hardware file"),
        (lambda text: text.replace("sizes: [8, 8]", "sizes: [8]"), "dimensions and sizes do not match"),
        (lambda text: text.replace("    r_cost: 100\n", ""), "`r_cost` of memory is missing"),
        (
            lambda text: text.replace("size: 32\n", "size: 32\n    auto_cost_extraction: true\n"),
            "give r_cost and w_cost",
        ),
        (lambda text: text.replace("bandwidth_min: 2048", "bandwidth_min: many"), "hardware file"),
        (lambda text: text.replace('"O, fl"]}', '"O, fh"]}'), "hardware file"),
    ],
)
def test_a_broken_hardware_file_is_told_in_one_line(tmp_path, square, change, words):
    path = tmp_path / "hardware.yaml"
    path.write_text(change((FOLDER / "square.yaml").read_text()))
    with pytest.raises(UsageError, match="target square: ") as raised:
        replace(square, hardware=str(path)).describe()
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("name: default", "name: Conv"), "No default mapping defined"),
        (lambda text: text.replace("D2:", "D3:"), "the array has D1, D2, not D3"),
        (lambda text: text.replace("K, 8", "eight"), "mapping file"),
        (lambda text: "", "mapping file"),
    ],
)
def test_a_broken_mapping_file_is_told_in_one_line(tmp_path, square, change, words):
    path = tmp_path / "mapping.yaml"
    path.write_text(change((FOLDER / "square_mapping.yaml").read_text()))
    with pytest.raises(UsageError, match="target square: ") as raised:
        replace(square, mapping=str(path)).describe()
    assert words in str(raised.value)


def test_a_missing_file_is_named(square):
    with pytest.raises(UsageError, match=r"mapping file /nowhere\.yaml cannot be read: No such file"):
        replace(square, mapping="/nowhere.yaml").describe()


def test_without_the_simulator_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setattr(zigzag_files, "find_spec", lambda name: None)
    assert HARDWARE["tpu_like"].figures()["clock_ghz"][0] == 0.7
    with pytest.raises(UsageError, match="target tpu_like needs the simulator ZigZag: pip install"):
        choose(Asked(HARDWARE["tpu_like"]))


def test_a_clock_that_is_none_is_refused(square):
    with pytest.raises(UsageError, match="clock_ghz must be positive, not 0"):
        replace(square, clock_ghz=0)


def test_only_accelerators_are_simulated():
    with pytest.raises(UsageError, match="runner simulated does not serve rk3399; those that do: rpc, emulated, roofl"):
        choose(Asked(find_hardware("rk3399")), runner="simulated")
