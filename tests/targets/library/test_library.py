"""A network as a C library: it computes what torch does, wherever it runs and whoever else is in the program."""

import ctypes
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.design_space import Network
from blockfront.errors import UsageError
from blockfront.signature import Input, Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.elf import ObjectFile
from blockfront.targets.library import make_library, run_library
from blockfront.targets.library.interface import Interface

pytestmark = pytest.mark.compiles

ALIGNMENT = 64
HAS_COMPILER = shutil.which("cc") is not None


class EveryKind(nn.Module):
    """Inputs of several types, and outputs that are computed, views, inputs, constants and given twice."""

    signature = Signature(
        (Input("left", (1, 3, 40, 40)), Input("index", (1, 4), "int64", 8), Input("mask", (1, 8), "bool"))
    )

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.table = nn.Embedding(8, 8)
        self.register_buffer("fixed", torch.arange(5.0))

    def forward(self, left, index, mask):
        image = self.conv(left).relu()
        mean = image.mean((2, 3))
        scores = torch.where(mask, mean + self.table(index).sum(1), mean)
        return {
            "scores": scores,
            "best": scores > 0,
            "levels": [image, image.flatten(1)],
            "left": left,
            "again": scores,
            "fixed": self.fixed,
            "class": 2 * scores,
        }


def made(module, signature, target, threads, folder, name="net"):
    target = get_target(target)
    program = compile_model(module, signature, target, threads=threads, alone=True)
    return program, make_library(program, target, folder, name)


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    return folder, *made(EveryKind(), EveryKind.signature, "host", 1, folder)


@pytest.fixture(scope="module")
def threaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threaded")
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 1, 1), nn.Flatten(1))
    return folder, *made(module, Signature.image(64), "host", 2, folder, "pool")


def aligned(size):
    """Zeros, and where they begin."""
    block = np.zeros(size + ALIGNMENT, "uint8")
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + size]


def call(folder, program, library, shift=0):
    """The bytes of every output for the program's samples, and what the function gave."""
    tensors = (*library.interface.inputs, *library.interface.outputs)
    memory = [aligned(one.bytes + shift)[shift:] for one in tensors]
    for block, sample in zip(memory, program.samples, strict=False):
        block[:] = np.frombuffer(sample, "uint8")
    workspace = aligned(library.workspace_bytes)
    name = library.interface.name
    function = getattr(ctypes.CDLL(str(folder / f"lib{name}.so")), f"{name}_run")
    given = function(*(ctypes.c_void_p(block.ctypes.data) for block in (*memory, workspace)))
    return given, [block.tobytes() for block in memory[len(program.samples) :]]


def test_every_kind_of_output_is_torchs(every_kind):
    folder, program, library = every_kind
    where, errors, _ = run_library(library, program, get_target("host"), folder)
    assert where == "on this machine"
    assert [error.name for error in errors] == [output.name for output in program.outputs]
    assert all(error.agrees for error in errors)
    assert library.interface.declaration == (
        "int net_run(const float *left, const int64_t *index, const uint8_t *mask, float *scores, uint8_t *best, "
        "float *levels_0, float *levels_1, float *left_2, float *again, float *fixed, float *class, void *workspace)"
    )


def test_the_header_tells_shapes_and_sizes(every_kind):
    folder, program, library = every_kind
    found = dict(re.findall(r"#define NET_(\w+) (.+)", (folder / "net.h").read_text()))
    assert found["LEFT_SHAPE"] == "{1, 3, 40, 40}"
    assert (found["BEST_SHAPE"], found["BEST_ELEMENTS"], found["BEST_DIMENSIONS"]) == ("{1, 8}", "8", "2")
    assert int(found["WEIGHTS_BYTES"]) == library.weights_bytes >= sum(weight.nbytes for weight in program.weights)
    assert int(found["CODE_BYTES"]) == library.code_bytes > sum(kernel.code_bytes for kernel in program.kernels)
    assert int(found["WORKSPACE_BYTES"]) == library.workspace_bytes
    assert (found["THREADS"], found["ALIGNMENT"]) == ("1", str(ALIGNMENT))


def test_the_columns_tell_of_the_library_within_its_tables(every_kind, threaded):
    for _, program, library in (every_kind, threaded):
        whole = library.code_bytes + library.weights_bytes
        assert program.flash_bytes < whole < program.flash_bytes + 12_000
        inputs, outputs = (
            sum(one.bytes for one in group) for group in (library.interface.inputs, library.interface.outputs)
        )
        assert program.ram_bytes <= library.workspace_bytes + inputs + outputs < program.ram_bytes + outputs + 1000


def test_an_address_that_kernels_cannot_read_is_refused(every_kind):
    given, outputs = call(*every_kind, shift=4)
    assert given == 1
    assert not any(any(output) for output in outputs)


@pytest.mark.emulates
@pytest.mark.parametrize(
    ("target", "threads"), [("rpi4", 1), ("rpi4", 4), ("visionfive2", 1), ("spacemit_k1", 2)], ids=str
)
def test_code_for_a_board_computes_what_torch_does(emulators, target, threads, tmp_path):
    program, library = made(EveryKind(), EveryKind.signature, target, threads, tmp_path)
    where, errors, _ = run_library(library, program, get_target(target), tmp_path)
    assert where == "under QEMU"
    assert all(error.agrees for error in errors)


@pytest.mark.emulates
def test_a_transformer_that_reduces_tokens_computes_what_torch_does(emulators, tmp_path):
    network = Network.parse("vit_32_n10/p8_d2_w16_h2_m2/tome_target0.6")
    program, library = made(network.deployed(), network.signature, "rpi4", 2, tmp_path)
    _, errors, _ = run_library(library, program, get_target("rpi4"), tmp_path)
    assert all(error.agrees for error in errors)


def test_one_function_is_visible_and_nothing_of_tvm_or_python_is_needed(every_kind, threaded):
    allowed = {"memcpy", "memset", "memmove", "sched_yield"}
    for folder, _, library in (every_kind, threaded):
        name = library.interface.name
        member = member_of(folder / f"lib{name}.a")
        assert {symbol for symbol in member.undefined() if not symbol.startswith("pthread_")} <= allowed
        assert member.defined() == {f"{name}_run"}
    assert not any("pthread" in symbol for symbol in member_of(every_kind[0] / "libnet.a").undefined())


def member_of(archive):
    content = archive.read_bytes()
    return ObjectFile(content[content.index(b"\x7fELF") :])


def test_several_threads_give_the_same_every_time(threaded):
    folder, program, library = threaded
    assert any(kernel.scratch_bytes[1] for kernel in program.kernels)
    first = call(folder, program, library)
    assert first[0] == 0
    assert all(call(folder, program, library) == first for _ in range(50))


PROGRAM = """
#include "net.h"
#include "pool.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *make(size_t bytes) { return aligned_alloc(64, (bytes / 64 + 1) * 64); }

static void *run(void *number) {
  int fails = 0;
  float *image = make(4 * POOL_IMAGE_ELEMENTS), *left = make(4 * NET_LEFT_ELEMENTS);
  int64_t *index = make(8 * NET_INDEX_ELEMENTS);
  uint8_t *mask = make(NET_MASK_ELEMENTS);
  for (int i = 0; i < POOL_IMAGE_ELEMENTS; i++) image[i] = (float)(i % 17) - 8;
  for (int i = 0; i < NET_LEFT_ELEMENTS; i++) left[i] = (float)(i % 13) - 6;
  for (int i = 0; i < NET_INDEX_ELEMENTS; i++) index[i] = i;
  for (int i = 0; i < NET_MASK_ELEMENTS; i++) mask[i] = i % 2;
  float *scores = make(4 * NET_SCORES_ELEMENTS), *map = make(4 * NET_LEVELS_0_ELEMENTS);
  float *flat = make(4 * NET_LEVELS_1_ELEMENTS), *same = make(4 * NET_LEFT_2_ELEMENTS);
  float *again = make(4 * NET_AGAIN_ELEMENTS), *fixed = make(4 * NET_FIXED_ELEMENTS), *c = make(4 * 8);
  float *pooled = make(4 * POOL_OUTPUT_ELEMENTS), *first = make(4 * POOL_OUTPUT_ELEMENTS);
  uint8_t *best = make(NET_BEST_ELEMENTS);
  void *work = make(NET_WORKSPACE_BYTES), *pool_work = make(POOL_WORKSPACE_BYTES);
  for (int i = 0; i < 200; i++) {
    fails |= net_run(left, index, mask, scores, best, map, flat, same, again, fixed, c, work);
    fails |= pool_run(image, pooled, pool_work);
    if (i == 0) memcpy(first, pooled, 4 * POOL_OUTPUT_ELEMENTS);
    fails |= memcmp(first, pooled, 4 * POOL_OUTPUT_ELEMENTS) != 0;
    fails |= memcmp(scores, again, 32) != 0 || c[0] != 2 * scores[0] || memcmp(map, flat, 4 * NET_LEVELS_1_ELEMENTS);
  }
  float sum = 0;
  for (int i = 0; i < POOL_OUTPUT_ELEMENTS; i++) sum += pooled[i];
  if (!number) printf("%.9g %.9g\\n", (double)scores[0], (double)sum);
  return (void *)(intptr_t)fails;
}

int main(void) {
  pthread_t other;
  void *failed;
  if (pthread_create(&other, NULL, run, &other)) return 1;
  void *fails = run(NULL);
  pthread_join(other, &failed);
  return fails || failed;
}
"""


@pytest.mark.processes
@pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler")
@pytest.mark.parametrize("kind", ["a", "so"])
def test_two_networks_in_two_threads_of_one_program(every_kind, threaded, kind, tmp_path):
    (one, *_), (other, *_) = every_kind, threaded
    (tmp_path / "main.c").write_text(PROGRAM)
    command = ["cc", "-O1", f"-I{one}", f"-I{other}", "main.c", str(one / f"libnet.{kind}")]
    command += [str(other / f"libpool.{kind}"), f"-Wl,-rpath,{one}:{other}", "-lm", "-lpthread", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    left = (torch.arange(4800.0) % 13 - 6).reshape(1, 3, 40, 40)
    given = left, torch.arange(4)[None], torch.arange(8)[None] % 2 == 1
    scores = EveryKind().eval()(*given)["scores"].detach()
    assert float(done.stdout.split()[0]) == pytest.approx(float(scores[0, 0]), rel=1e-4)


@pytest.mark.processes
@pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler")
def test_the_example_reads_inputs_and_writes_torchs_outputs(threaded, tmp_path):
    folder, program, library = threaded
    (tmp_path / "image.bin").write_bytes(program.samples[0])
    build = ["cc", "-Wall", "-Werror", "-O2", "example.c", "libpool.a", "-lm", "-lpthread", "-o"]
    subprocess.run([*build, str(tmp_path / "example")], cwd=folder, check=True)
    done = subprocess.run(["./example", "image.bin", "output.bin"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = np.fromfile(tmp_path / "output.bin", "float32").reshape(library.interface.outputs[0].shape)
    assert program.outputs[0].compare(found).agrees
    content = (tmp_path / "image.bin").read_bytes()
    for wrong in (content[4:], content * 2):
        (tmp_path / "wrong.bin").write_bytes(wrong)
        said = subprocess.run(["./example", "wrong.bin", "output.bin"], cwd=tmp_path, capture_output=True, text=True)
        expected = f"wrong.bin: {len(content)} bytes are expected, no fewer and no more\n"
        assert (said.returncode, said.stderr) == (1, expected)
    usage = subprocess.run(["./example"], cwd=tmp_path, capture_output=True, text=True)
    assert (usage.returncode, usage.stderr) == (2, "usage: ./example image.bin output.bin\n")


@pytest.mark.parametrize("name", ["", "2nd", "a-b", "int", "a b"])
def test_a_name_that_c_does_not_take_is_refused(every_kind, name):
    _, program, _ = every_kind
    with pytest.raises(UsageError, match="cannot begin the names"):
        Interface.of(program, name)


def test_names_that_clash_in_c_are_told_apart(every_kind):
    _, program, _ = every_kind
    signature = Signature((Input("größe", (1,)), Input("gr__e", (1,)), Input("int", (1,))))
    interface = Interface.of(replace(program, signature=signature), "net")
    assert [one.name for one in interface.inputs] == ["gr__e", "gr__e_2", "t_int"]


def test_a_processor_without_linux_has_no_library(every_kind, tmp_path):
    bare = replace(get_target("rpi4"), tvm_target={"kind": "llvm", "mtriple": "thumbv7em-none-eabi"})
    with pytest.raises(UsageError, match="no C library"):
        make_library(every_kind[1], bare, tmp_path)
    assert not list(tmp_path.iterdir())
