import ast
from pathlib import Path

import pytest
import torch
from torch import nn

from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.kernel_cache import CompiledKernel, KernelCache, rules_sources

KERNEL = CompiledKernel("k_1", "window", b"\x7fELF" + bytes(1000))
KEY = "ab" + "0" * 62
FOLDER = Path(__file__).parents[3] / "targets"


@pytest.fixture
def store(tmp_path):
    return KernelCache(tmp_path / "kernels")


def test_a_kernel_comes_back_as_it_was_kept(store):
    assert store.get(KEY) is None
    store.put(KEY, KERNEL)
    assert store.get(KEY) == KERNEL


def test_kernels_of_one_object_keep_it_once(store):
    other = CompiledKernel("k_2", None, KERNEL.code, ((1, 8),), "no rule matches")
    store.put(KEY, KERNEL)
    store.put("cd" + KEY[2:], other)
    assert len(list(store.files.folder.glob("*/*"))) == 3
    assert [KernelCache(store.files.folder).get(key) for key in (KEY, "cd" + KEY[2:])] == [KERNEL, other]


@pytest.mark.parametrize("position", [0, 1], ids=["the smaller file", "the larger file"])
def test_a_damaged_file_counts_as_absent(store, position):
    store.put(KEY, KERNEL)
    path = sorted(store.files.folder.glob("*/*"), key=lambda path: path.stat().st_size)[position]
    path.write_bytes(path.read_bytes()[:50])
    again = KernelCache(store.files.folder)
    assert again.get(KEY) is None
    again.put(KEY, KERNEL)
    assert again.get(KEY) == KERNEL


def test_a_folder_that_cannot_be_written_loses_the_entry_and_nothing_else(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = KernelCache(blocked)
    store.put(KEY, KERNEL)
    assert store.get(KEY) is None


def network(width):
    torch.manual_seed(width)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, width, 1), nn.Flatten())


@pytest.mark.compiles
def test_networks_that_share_a_kernel_share_its_code(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    host = get_target("host")
    first = compile_model(network(8), Signature.image(8), host)
    entries = set(tmp_path.glob("kernels/*/*"))
    assert len(entries) == len({kernel.symbol for kernel in first.kernels}) + 1  # and one object
    second = compile_model(network(16), Signature.image(8), host)
    shared = {kernel.symbol for kernel in first.kernels} & {kernel.symbol for kernel in second.kernels}
    assert len(shared) == 2  # the image's layout and the stem
    added = set(tmp_path.glob("kernels/*/*")) - entries
    assert len(added) == len({kernel.symbol for kernel in second.kernels} - shared) + 1


@pytest.mark.compiles
def test_another_thread_count_or_target_has_its_own_code(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    rk3399 = get_target("rk3399")
    one = compile_model(network(8), Signature.image(8), rk3399, threads=1)
    before = len(list(tmp_path.glob("kernels/*/*")))
    two = compile_model(network(8), Signature.image(8), rk3399, threads=2)
    assert len(list(tmp_path.glob("kernels/*/*"))) == 2 * before
    assert {kernel.symbol for kernel in one.kernels} == {kernel.symbol for kernel in two.kernels}


@pytest.mark.compiles
def test_a_board_with_more_of_the_same_cores_has_the_same_code_for_one(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    one = compile_model(network(8), Signature.image(8), get_target("rk3399"), threads=1)
    before = set(tmp_path.glob("kernels/*/*"))
    assert compile_model(network(8), Signature.image(8), get_target("rpi4"), threads=1).objects == one.objects
    assert set(tmp_path.glob("kernels/*/*")) == before


def test_every_source_that_decides_what_a_kernel_becomes_is_in_its_key():
    """Those that rules, instructions and LLVM's options are in import, but for what describes programs and devices."""
    others = {"addresses", "hardware", "kernel_cache", "linking", "planning", "program", "suppressing", "traces"}
    sources = set(rules_sources())
    prefix = "blockfront.targets."
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(prefix):
                imported = FOLDER / f"{node.module.removeprefix(prefix).replace('.', '/')}.py"
                packaged = imported.with_suffix("") / "__init__.py"
                found = imported if imported.exists() else packaged
                assert found in sources or found.stem in others, f"{path.name} imports {node.module}"
