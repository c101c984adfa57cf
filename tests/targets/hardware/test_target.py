import dataclasses

import pytest
import tvm

from blockfront.errors import UsageError
from blockfront.targets import HARDWARE, Gpu, Target, get_target
from blockfront.targets.hardware.catalogue import host


@pytest.mark.parametrize("name", [name for name, one in HARDWARE.items() if isinstance(one, Target)])
def test_every_target_of_the_catalogue_is_one_tvm_accepts(name):
    target = HARDWARE[name]
    compiler = target.compiler()
    assert isinstance(compiler, tvm.target.Target)
    if isinstance(target, Gpu):
        assert compiler.kind.name == target.device_type
        assert str(compiler.host.attrs["mtriple"]) == target.triple
    else:
        assert compiler.kind.name == "llvm"
        assert int(compiler.attrs["num-cores"]) == target.cores


def test_the_rk3399_is_two_cortex_a72():
    target = get_target("rk3399")
    assert target.cores == 2
    assert target.tvm_target["mcpu"] == "cortex-a72"
    # 8 float32 operations a cycle and core, of which a multiply-accumulate is two
    assert target.peak_macs(2) == pytest.approx(14.4e9)


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("rk3399", "aarch64"), ("odroid_xu4", "arm"), ("visionfive2", "riscv64"), ("rk3399_gpu", "aarch64")],
)
def test_the_architecture_is_that_of_the_processor_beside_a_gpu_as_well(name, architecture):
    assert get_target(name).architecture == architecture


def test_a_target_that_does_not_say_has_no_architecture():
    assert dataclasses.replace(get_target("rk3399"), tvm_target={"kind": "llvm"}).architecture == ""


def test_an_unknown_target_names_the_nearest():
    with pytest.raises(UsageError, match=r"unknown target 'rk3398'; did you mean rk3399"):
        get_target("rk3398")


def test_threads_beyond_the_cores_are_refused():
    with pytest.raises(UsageError, match="has 2 cores"):
        get_target("rk3399").check_threads(4)
    assert get_target("rk3399").check_threads(None) == 2


@pytest.mark.parametrize(
    ("cpu", "bits", "vectors"),
    [("haswell", 256, 2), ("znver4", 512, 1), ("znver5", 512, 2), ("sapphirerapids", 512, 2)],
)
def test_this_machines_processor_is_known_by_its_name_where_nothing_is_measured(cpu, bits, vectors, monkeypatch):
    monkeypatch.setattr(host, "multiply_adds", lambda *_asked: None)
    monkeypatch.setattr(host, "_triple_and_cpu", lambda: ("x86_64-pc-linux-gnu", cpu))
    monkeypatch.setattr(host, "_is_x86", lambda: True)
    here = host.host()
    assert (here.simd_bits, here.fma_per_cycle, here.loads_per_cycle) == (bits, vectors, vectors)


BOARD = """
from blockfront.targets import Processor

mine = Processor(
    name="mine", title="my board", tvm_target={"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a53"},
    cores=4, clock_ghz=1.2, simd_bits=128, vector_registers=32, fma_per_cycle=1, bandwidth_gbs=2.0,
)
"""


def test_a_board_in_the_users_file_needs_one_entry(tmp_path):
    path = tmp_path / "boards.py"
    path.write_text(BOARD)
    assert get_target(f"{path}:mine").cores == 4


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (None, "mine", "there is no file"),
        ("1 / 0", "mine", "does not import \\(line 1\\): ZeroDivisionError"),
        (BOARD, "yours", "defines no hardware 'yours'"),
        (BOARD.replace("cores=4", "cores=0"), "mine", "cores must be positive"),
        (BOARD.replace("Processor", "Gpu"), "mine", "code of kind llvm is for a Processor"),
        (BOARD.replace('"kind": "llvm"', '"kind": "cuda"'), "mine", "code of kind cuda is for a Gpu"),
    ],
)
def test_a_file_that_gives_no_target_says_why(tmp_path, text, name, words):
    path = tmp_path / "boards.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=words):
        get_target(f"{path}:{name}")
