"""Other distributions add blocks, boards, data sets and spaces, and one that is broken harms nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from blockfront.errors import UsageError
from blockfront.registry import Registry, plugin_versions

pytestmark = pytest.mark.processes

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
OFFERS = {"blockfront.block": {"wavy": "wavy"}}


def install(folder: Path, name: str, version: str, offers: Mapping[str, Mapping[str, str]]) -> None:
    """What an installer leaves in a folder of `sys.path`: a distribution's name and entry points."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in points.items())])
        for group, points in offers.items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that Python looks into, here and in processes that a test starts."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return folder


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "blockfront", *arguments]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def _names(done: subprocess.CompletedProcess[str], column: str) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [row[column] for row in json.loads(done.stdout)]


@pytest.mark.long
def test_the_example_is_listed_and_sampled(site: Path, tmp_path: Path):
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(site, project["name"], project["version"], project["entry-points"])
    (site / "wavy.py").write_text((EXAMPLE / "wavy.py").read_text())

    assert "wavy" in _names(_run(tmp_path, "blocks", "--json"), "block")

    names = ("--space", "wavy_small", "--dataset", "waves", "--target", "wavy_board", "--runner", "roofline")
    done = _run(tmp_path, "sample", "--n", "2", *names, "--epochs", "1", "--workers", "1", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    networks = json.loads(done.stdout)["networks"]
    assert {network["family"] for network in networks} == {"wavy", "ir"}
    assert [network["state"] for network in networks] == ["complete"] * 2
    assert {network["target"] for network in networks} == {"wavy_board"}
    assert all(network["top1"] is not None for network in networks)

    means = ("--toolchain", "scales", "--runner", "guess", "--study", "guessed", "--no-train")
    done = _run(tmp_path, "sample", "--n", "2", *names[:-2], *means, "--workers", "1", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    guessed = json.loads(done.stdout)["networks"]
    assert len(guessed) == 2
    assert [network["latency_ms"] for network in guessed] == [1e-5 * network["params"] for network in guessed]
    assert {(network["toolchain"], network["predictor"]) for network in guessed} == {("scales", "guess")}


def test_help_and_names_known_without_it_import_no_plugin(site: Path, tmp_path: Path):
    install(site, "loud", "1", {"blockfront.sampler": {"loud": "loud"}, **OFFERS, "blockfront.column": {"c": "loud"}})
    (site / "loud.py").write_text("raise SystemExit('imported')")
    for arguments in (["--help"], ["sample", "--help"], ["sample", "--sampler", "rnadom"]):
        done = _run(tmp_path, *arguments)
        assert "imported" not in done.stdout + done.stderr


def test_a_broken_plugin_is_left_out_of_a_list_with_one_line(site: Path, tmp_path: Path):
    install(site, "broken", "1", OFFERS)
    (site / "wavy.py").write_text("import no_such_package")
    done = _run(tmp_path, "blocks", "--json")
    assert {"ir", "ghost"} <= set(_names(done, "block"))
    assert "wavy" not in _names(done, "block")
    (line,) = done.stderr.splitlines()
    assert line == (
        "warning: block 'wavy' of the distribution broken does not load: "
        "ModuleNotFoundError: No module named 'no_such_package'; it is left out"
    )


def test_a_broken_plugin_stops_only_who_asks_for_it(site: Path, tmp_path: Path):
    install(site, "broken", "1", {**OFFERS, "blockfront.target": {"rocky": "wavy"}})
    (site / "wavy.py").write_text("1 / 0")
    text = "cnn_32_n10/stem_k3_s1_c8_nrelu/rep_r1_s2_c8/head"
    done = _run(tmp_path, "profile", text, "--target", "rk3399", "--runner", "roofline", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    done = _run(tmp_path, "targets", "rocky")
    assert done.returncode == 2
    assert done.stderr == (
        "error: target 'rocky' of the distribution broken does not load: ZeroDivisionError: division by zero\n"
    )


def _registry(kind: str = "block") -> Registry[str]:
    registry: Registry[str] = Registry(kind)
    registry.add("ir", "inverted residual")
    return registry


@pytest.fixture
def plugin(site: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Registry[str], str], None]:
    """Install a distribution whose module, of the same name, runs this code with the registry as `registry`."""

    def put(name: str, registry: Registry[str], code: str, *offered: str) -> None:
        install(site, name, "1", {"blockfront.block": dict.fromkeys(offered or ["wavy"], name)})
        (site / f"{name}.py").write_text(f"from shared_registry import registry\n{code}\n")
        module = type(sys)("shared_registry")
        vars(module)["registry"] = registry
        monkeypatch.setitem(sys.modules, "shared_registry", module)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return put


def test_a_look_up_imports_the_plugin_once(plugin):
    registry = _registry()
    plugin("one", registry, "registry.add('wavy', object())")
    assert "wavy" in registry
    assert registry["ir"] == "inverted residual"
    assert set(registry.registered) == {"ir"}
    assert registry["wavy"] is registry["wavy"]
    assert set(registry) == {"ir", "wavy"}


def test_a_misspelt_name_finds_what_a_plugin_offers(plugin):
    registry = _registry()
    plugin("two", registry, "registry.add('wavy', 'w')")
    with pytest.raises(UsageError, match=r"unknown block 'wawy'; did you mean wavy\?"):
        registry["wawy"]
    assert set(registry.registered) == {"ir"}


def test_a_plugin_may_use_the_registry_it_adds_to(plugin):
    registry = _registry()
    plugin("three", registry, "registry.add('wavy', ' and '.join(registry.values()))")
    assert registry["wavy"] == "inverted residual"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("pass", "the distribution four offers the block 'wavy', which four does not register"),
        ("registry.add('ir', 'mine')", "block 'wavy' of the distribution four does not load: block 'ir' is already"),
        ("registry.add('wavy', 'w')\nraise OSError('no disk')", "four does not load: OSError: no disk"),
    ],
)
def test_a_plugin_that_does_not_do_what_it_says_is_told_every_time(plugin, code: str, said: str):
    registry = _registry()
    plugin("four", registry, code)
    for _ in range(2):
        with pytest.raises(UsageError, match=said):
            registry["wavy"]
    assert dict(registry) == {"ir": "inverted residual"}


def test_a_plugin_cannot_replace_what_is_there(plugin, caplog: pytest.LogCaptureFixture):
    registry = _registry()
    plugin("five", registry, "registry.add('ir', 'mine')", "ir")
    assert dict(registry) == {"ir": "inverted residual"}
    assert "block 'ir' of the distribution five does not load: block 'ir' is already registered" in caplog.text
    assert len(registry) == 1
    assert len(caplog.records) == 1


def test_two_plugins_with_one_name_are_both_named(plugin):
    registry = _registry()
    plugin("six", registry, "registry.add('wavy', 'six')")
    plugin("seven", registry, "registry.add('wavy', 'seven')")
    with pytest.raises(UsageError, match="block 'wavy' is offered by seven and six; uninstall all but one"):
        registry["wavy"]


def test_another_kind_of_thing_is_another_group(plugin):
    registry = _registry("data set")
    plugin("eight", registry, "registry.add('wavy', 'w')")
    assert "wavy" not in registry


def test_a_studys_provenance_has_the_versions_of_plugins(site: Path):
    install(site, "wavy-blocks", "2.5", OFFERS)
    assert plugin_versions()["wavy-blocks"] == "2.5"
