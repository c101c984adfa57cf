import copy
import struct

import pytest
import torch
from torch import nn

from blockfront.errors import RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.compiling import compile_recorded, recorded

_ELF_MACHINES = {"host": {62, 183}, "rk3399": {183}}


def elf_machine(library):
    assert library[:4] == b"\x7fELF"
    return struct.unpack_from("<H", library, 18)[0]


def test_the_library_for_an_rk3399_is_aarch64_code(board_program, host_program):
    assert elf_machine(board_program.library.content) in _ELF_MACHINES["rk3399"]
    assert elf_machine(board_program.kernel_library) in _ELF_MACHINES["rk3399"]
    assert elf_machine(host_program.library.content) in _ELF_MACHINES["host"]


def test_a_program_says_where_it_was_compared_with_torch(board_program, host_program):
    assert board_program.verified_on == "host"
    assert host_program.verified_on == "device"
    for program in (board_program, host_program):
        assert 0 <= program.max_rel_error <= 1e-4


def test_macs_are_counted_per_kernel(host_program):
    macs = sum(kernel.macs * kernel.calls for kernel in host_program.kernels)
    assert macs == 8 * 8 * 16 * 27 + 8 * 8 * 16 * 9 + 160
    assert host_program.unscheduled_kernels == ()


def test_peak_memory_holds_the_image_and_the_largest_two_tensors(host_program):
    image, first, second = 3 * 16 * 16 * 4, 8 * 8 * 16 * 4, 8 * 8 * 16 * 4
    everything = 2 * image + first + second + 4 * (16 + 16 + 10)
    assert first + second <= host_program.peak_memory_bytes <= everything + 4096


@pytest.mark.compiles
def test_random_constants_are_gone_after_compiling_and_after_failing(tiny):
    before = copy.deepcopy(tiny.state_dict())
    compile_model(tiny, Signature.image(16), get_target("host"), threads=1, seed=3)
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())
    with pytest.raises(RunError):
        compile_model(nn.Sequential(tiny, nn.Linear(3, 4)), Signature.image(16), get_target("host"), seed=3)
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())


@pytest.mark.compiles
def test_without_a_seed_the_modules_own_weights_are_compiled(tiny):
    program = compile_model(tiny, Signature.image(16), get_target("host"), threads=1)
    (sample,), (output,) = program.inputs, program.outputs
    with torch.no_grad():
        expected = tiny.eval()(torch.from_numpy(sample.copy()))
    assert torch.allclose(torch.from_numpy(output.array.astype("float32")), expected, atol=1e-6)


@pytest.mark.compiles
def test_a_module_that_counts_its_calls_is_an_error_not_a_latency():
    class Unsteady(nn.Module):
        """The traced constant is not the one torch computed with before."""

        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * float(self.calls)

    with pytest.raises(RunError, match=r"another output at every call with the same inputs"):
        compile_model(Unsteady(), Signature.image(8), get_target("host"))


@pytest.mark.compiles
def test_what_is_recorded_once_compiles_as_it_does_alone_and_once_for_equal_boards(tiny):
    places = [("rpi3b", 4), ("rpi3bplus", 4), ("rk3588", 1)]
    with recorded(tiny, Signature.image(16), seed=3) as recording:
        together = [compile_recorded(recording, get_target(name), threads) for name, threads in places]
    for program, (name, threads) in zip(together, places, strict=True):
        alone = compile_model(tiny, Signature.image(16), get_target(name), threads=threads, seed=3)
        for part in ("target", "threads", "objects", "kernels", "plan", "outputs", "errors", "peak_memory_bytes"):
            assert getattr(program, part) == getattr(alone, part), (name, part)
        assert program.library.content == alone.library.content
    assert together[1].library is together[0].library
    assert len({id(program.library) for program in together}) == len(places) - 1


def test_a_module_that_does_not_export_fails_in_one_line():
    class Refuses(nn.Module):
        def forward(self, x):
            if x.sum() > 0:
                return x
            return -x

    with pytest.raises(RunError, match="compiling for host failed") as caught:
        compile_model(Refuses(), Signature.image(8), get_target("host"))
    assert "\n" not in str(caught.value)


def test_more_threads_than_cores_are_a_wrong_call(tiny):
    with pytest.raises(UsageError, match="has 2 cores"):
        compile_model(tiny, Signature.image(16), get_target("rk3399"), threads=3)
