"""Hardware of every kind, by one name each, answering for itself."""

import dataclasses

import pytest

from blockfront.errors import UsageError
from blockfront.targets import HARDWARE, Accelerator, EthosU, Gpu, Processor, find_hardware, get_processor, get_target

KINDS = {"rk3399": Processor, "jetson_orin_nano_gpu": Gpu, "edge_tpu_like": Accelerator, "ethos_u55_128": EthosU}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_one_registry_has_hardware_of_every_kind(name, kind):
    assert type(HARDWARE[name]) is kind
    assert find_hardware(name) is HARDWARE[name]


def test_near_names_may_be_of_any_kind():
    with pytest.raises(UsageError, match="unknown target 'edge_tpu'; did you mean edge_tpu_like"):
        find_hardware("edge_tpu")


@pytest.mark.parametrize(
    ("find", "name", "words"),
    [
        (get_target, "edge_tpu_like", "edge_tpu_like is an accelerator, which networks are simulated on"),
        (get_processor, "edge_tpu_like", "edge_tpu_like is an accelerator, which networks are simulated on"),
        (get_target, "ethos_u55_128", "ethos_u55_128 is an NPU whose vendor's compiler estimates its cycles"),
        (get_processor, "jetson_nano_gpu", "jetson_nano_gpu is a GPU, whose schedules are dlight's"),
    ],
)
def test_hardware_of_another_kind_than_a_call_is_for_says_what_it_is(find, name, words):
    with pytest.raises(UsageError, match=words):
        find(name)


@pytest.mark.parametrize("name", list(HARDWARE))
def test_hardware_says_of_itself_what_a_list_and_its_figures_need(name):
    hardware = HARDWARE[name]
    assert list(hardware.row()) == ["target", "title", "cores", "clock GHz", "remark"]
    assert all(source for _, source in hardware.figures().values())
    gflops, gbs = hardware.peak(hardware.check_threads(None))
    assert gflops > 0
    assert gbs > 0


def test_kinds_differ_in_threads_and_in_what_the_rules_schedule():
    """Both Cortex-A72, all eight multiprocessors, and none of what is simulated."""
    found = [HARDWARE[name] for name in KINDS]
    assert [one.check_threads(None) for one in found] == [2, 8, None, None]
    assert [one.pool_threads(one.check_threads(None)) for one in found] == [2, 0, 0, 0]
    assert [one.machine(1) is None for one in found] == [False, True, True, True]
    for name, words in (
        ("jetson_orin_nano_gpu", "always runs on all of itself"),
        ("edge_tpu_like", "leave --threads out"),
        ("ethos_u55_128", "leave --threads out"),
    ):
        with pytest.raises(UsageError, match=words):
            HARDWARE[name].check_threads(2)


def test_the_peak_of_an_accelerator_is_its_arrays_and_its_outermost_memorys():
    """1024 multiply-adders at 0.5 GHz; the memory's read port is in ZigZag's file, as `figures` says."""
    tpu = HARDWARE["edge_tpu_like"]
    assert tpu.peak(None) == (1024.0, tpu.figures()["read_gbs"][0])


def test_only_this_machines_own_is_local_and_that_is_no_part_of_what_it_is():
    local = {name for name, one in HARDWARE.items() if one.local}
    assert local == {"host", "host_avx2", "cuda"} & set(HARDWARE)
    host = HARDWARE["host"]
    assert dataclasses.replace(host, local=False).definition() == host.definition()
    assert "local" not in host.definition()
    assert dataclasses.replace(host, cores=99).definition() != host.definition()
