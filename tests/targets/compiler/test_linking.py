import gc
import pickle
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler import processor
from blockfront.targets.compiler.linking import Linked, link_objects, load_library

pytestmark = pytest.mark.compiles

_MAPS = Path("/proc/self/maps")


def loaded_libraries():
    gc.collect()
    return sum("library.so" in line for line in _MAPS.read_text().splitlines())


@pytest.mark.skipif(not _MAPS.exists(), reason="Linux tells what a process has loaded")
def test_a_library_is_unloaded_with_its_module(host_program):
    before = loaded_libraries()
    module = load_library(host_program.library.content)
    assert loaded_libraries() > before
    del module
    assert loaded_libraries() == before


@pytest.mark.skipif(not _MAPS.exists(), reason="Linux tells what a process has loaded")
@pytest.mark.parametrize("target", ["host", "rk3399"])
def test_compiling_leaves_no_library_loaded(tiny, target):
    before = loaded_libraries()
    program = compile_model(tiny, Signature.image(16), get_target(target))
    assert loaded_libraries() == before
    assert program.kernels


def test_a_library_for_another_processor_is_linked_once_and_only_when_it_is_asked_for(tiny, monkeypatch):
    linked = []
    link = processor.link_program
    monkeypatch.setattr(processor, "link_program", lambda *parts: linked.append(parts) or link(*parts))
    library = compile_model(tiny, Signature.image(16), get_target("rk3399")).library
    assert not linked
    sent: Linked = pickle.loads(pickle.dumps(library))
    assert sent.content == library.content
    assert library.content.startswith(b"\x7fELF")
    assert len(linked) == 1


def test_a_library_has_the_weights_that_were_compiled_whatever_becomes_of_the_module(tiny):
    module = deepcopy(tiny)
    program = compile_model(module, Signature.image(16), get_target("rk3399"))
    bias = module[-1].bias.detach().numpy().tobytes()
    with torch.no_grad():
        module[-1].bias.add_(1)
    assert program.library.content.count(bias) == 1


def test_the_library_of_kernels_has_each_by_its_symbol(host_program):
    kernels = load_library(host_program.kernel_library)
    assert all(kernels.implements_function(kernel.symbol) for kernel in host_program.kernels)
    assert not kernels.implements_function("k_unknown")


def test_what_is_no_object_code_fails_in_one_line():
    with pytest.raises(RunError, match=r"^linking failed: ld.lld: error: ") as caught:
        link_objects([b"not an object"])
    assert "\n" not in str(caught.value)
