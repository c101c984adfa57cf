"""What a board tells of itself, read from copies of Linux's files as boards have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.board.state import Cpu, architecture, conditions, memory_bytes, model, read_cores, read_state

CPU = "sys/devices/system/cpu"
ARM = "processor\t: {}\nBogoMIPS\t: 48.00\nCPU implementer\t: {}\nCPU architecture: 8\nCPU part\t: {}\n"


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def rk3399(tmp_path: Path) -> Path:
    parts = ["0xd03"] * 4 + ["0xd08"] * 2
    info = "\n".join(ARM.format(cpu, "0x41", part) for cpu, part in enumerate(parts))
    write(tmp_path, **{"proc/cpuinfo": info, f"{CPU}/online": "0-5\n"})
    for cpu, part in enumerate(parts):
        little = part == "0xd03"
        frequency = {
            f"{CPU}/cpu{cpu}/cpufreq/scaling_governor": "ondemand\n" if little else "performance\n",
            f"{CPU}/cpu{cpu}/cpufreq/scaling_cur_freq": "408000\n" if little else "1800000\n",
            f"{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq": "1416000\n" if little else "1800000\n",
        }
        write(tmp_path, **frequency)
    thermal = "sys/class/thermal"
    write(
        tmp_path,
        **{
            "proc/device-tree/model": "FriendlyElec NanoPC-T4\0",
            "proc/meminfo": "MemTotal:        3930108 kB\nMemAvailable:    3145728 kB\n",
            f"{thermal}/thermal_zone0/type": "cpu-thermal\n",
            f"{thermal}/thermal_zone0/temp": "71250\n",
            f"{thermal}/thermal_zone1/type": "gpu-thermal\n",
            f"{thermal}/thermal_zone1/temp": "68000\n",
            f"{thermal}/cooling_device0/type": "cpufreq-cpu0\n",
            f"{thermal}/cooling_device0/cur_state": "0\n",
            f"{thermal}/cooling_device1/type": "cpufreq-cpu4\n",
            f"{thermal}/cooling_device1/cur_state": "2\n",
            f"{thermal}/cooling_device2/type": "pwm-fan\n",
            f"{thermal}/cooling_device2/cur_state": "3\n",
        },
    )
    return tmp_path


def test_cores_are_told_by_name_and_highest_frequency(rk3399):
    cores = read_cores(rk3399)
    assert cores[0] == Cpu(0, "Cortex-A53", 1416.0)
    assert cores[5] == Cpu(5, "Cortex-A72", 1800.0)
    assert len(cores) == 6
    assert model(rk3399) == "FriendlyElec NanoPC-T4"
    assert memory_bytes(rk3399) == 3 * 2**30


def test_cores_that_are_switched_off_are_left_out(rk3399):
    write(rk3399, **{f"{CPU}/online": "0,4-5\n"})
    assert [core.cpu for core in read_cores(rk3399)] == [0, 4, 5]


def test_a_core_of_somebody_else_keeps_its_numbers(rk3399):
    write(rk3399, **{"proc/cpuinfo": ARM.format(0, "0x51", "0x802")})
    assert read_cores(rk3399)[0].part == "part 0x51/0x802"


def test_the_state_of_the_cores_that_were_used_is_told(rk3399):
    assert conditions(read_state(rk3399), (4, 5)) == {
        "governor": "performance",
        "frequency MHz": "1800",
        "temperature °C": "71.2",
        "throttled": "cpufreq-cpu4 at step 2",
    }
    assert conditions(read_state(rk3399), (0, 4))["governor"] == "ondemand, performance"


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("0", ()),
        ("50005", ("under-voltage", "throttled")),  # the high bits say that it was so once
        ("e0008", ("soft temperature limit",)),
    ],
)
def test_a_raspberry_pi_s_firmware_says_why_it_is_slow(tmp_path, bits, expected):
    write(tmp_path, **{"sys/devices/platform/soc/soc:firmware/get_throttled": f"{bits}\n"})
    assert read_state(tmp_path).throttled == expected


def test_what_a_system_does_not_tell_is_not_there(tmp_path):
    state = read_state(tmp_path)
    assert (state.governors, state.mhz, state.temperatures, state.throttled) == ({}, {}, {}, None)
    assert conditions(state, (0,)) == {}
    assert memory_bytes(tmp_path) == 0
    assert {core.part for core in read_cores(tmp_path)} == {architecture()}
