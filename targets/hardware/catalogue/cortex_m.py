"""Microcontrollers of Arm's M profile: their cores, and boards with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blockfront.targets.hardware.catalogue.cores import FROM_MEMORY, KIB, MIB, NO_L3, OUR_CHOICE, llvm_model
from blockfront.targets.hardware.microcontroller import Microcontroller

_NO_LEVEL = "no second level: the stretch of RAM; unverified"


def _board(
    name: str,
    title: str,
    core: tuple[Mapping[str, Any], Mapping[str, str]],
    *,
    clock_ghz: float,
    l1_bytes: int,
    flash: tuple[int, int],
    ram: tuple[int, int],
    vectors: int,
    bus_bytes: float,
    sources: Mapping[str, str],
) -> Microcontroller:
    """A board with a `core`, figures and their sources; memories are (address, bytes).

    `bus_bytes` are what the bus to RAM moves in a cycle of the core: a copy reads and writes.
    """
    figures, known = core
    return Microcontroller(
        name,
        f"{title} at {1000 * clock_ghz:g} MHz",
        cores=1,
        clock_ghz=clock_ghz,
        l1_bytes=l1_bytes,
        l1_ways=4,
        l2_bytes=ram[1],
        l2_ways=1,
        l2_shared=False,
        bandwidth_gbs=bus_bytes * clock_ghz / 2,
        launch_us=1.0,
        flash_address=flash[0],
        flash_bytes=flash[1],
        ram_address=ram[0],
        ram_bytes=ram[1],
        vectors_address=vectors,
        sources={
            "launch_us": OUR_CHOICE,
            "l1_ways": FROM_MEMORY,
            "l2_bytes, l2_ways, l2_shared": _NO_LEVEL,
            "l3_bytes, l3_ways": NO_L3,
            "lane_operands": "a multiply-add takes whole registers, or one of the core's own",
            "bandwidth_gbs": f"{bus_bytes:g} bytes a cycle, half of them written, from memory; unverified",
            **known,
            **sources,
        },
        **figures,
    )


def _llvm(triple: str, cpu: str, bits: int) -> dict[str, Any]:
    # Some have a unit for float64 and some have not; such arithmetic is a function's everywhere.
    without = [] if cpu == "cortex-m55" else ["-fp64"]
    described = {"kind": "llvm", "mtriple": triple, "mcpu": cpu, "mattr": without}
    return {**described, "mfloat-abi": "hard", "vector-width": bits}


def _scalar(cpu: str, fma_per_cycle: float, fma_latency: int, model: str) -> tuple[dict[str, Any], dict[str, str]]:
    figures = {
        "tvm_target": _llvm("thumbv7em-none-eabihf", cpu, 32),
        "simd_bits": 32,
        "vector_registers": 32,
        "fma_per_cycle": fma_per_cycle,
        "loads_per_cycle": 1,
        "fma_latency": fma_latency,
    }
    return figures, {
        "simd_bits, vector_registers": "Armv7E-M: 32 registers of one float32",
        "fma_per_cycle, loads_per_cycle, fma_latency": llvm_model(model),
    }


_M4 = _scalar("cortex-m4", 1 / 3, 3, "ARMScheduleM4")
_M7 = _scalar("cortex-m7", 1, 6, "ARMScheduleM7")
_M55 = (
    {
        "tvm_target": _llvm("thumbv8.1m.main-none-eabihf", "cortex-m55", 128),
        "simd_bits": 128,
        "vector_registers": 8,
        "fma_per_cycle": 0.5,
        "loads_per_cycle": 1,
        "fma_latency": 2,
    },
    {
        "simd_bits, vector_registers": "Armv8.1-M with Helium: 8 vector registers of 128 bits",
        "fma_per_cycle, loads_per_cycle, fma_latency": f"{llvm_model('ARMScheduleM55')}: two beats of 64 bits",
    },
)

BOARDS = [
    _board(
        "nrf52840",
        "Nordic nRF52840, Cortex-M4",
        _M4,
        clock_ghz=0.064,
        l1_bytes=256 * KIB,
        flash=(0x00000000, 1 * MIB),
        ram=(0x20000000, 256 * KIB),
        vectors=0x00000000,
        bus_bytes=4,
        sources={
            "cores, clock_ghz": "Zephyr's page of the Feather nRF52840",
            "l1_bytes": "no cache of data: RAM answers in a cycle; from memory",
            "flash_bytes, flash_address, ram_bytes, ram_address, vectors_address": (
                "Zephyr's device tree nrf52840_qiaa.dtsi"
            ),
        },
    ),
    _board(
        "stm32f746",
        "STM32F746NG, Cortex-M7",
        _M7,
        clock_ghz=0.216,
        l1_bytes=4 * KIB,
        flash=(0x08000000, 1 * MIB),
        ram=(0x20000000, 320 * KIB),
        vectors=0x08000000,
        bus_bytes=4,
        sources={
            "cores, clock_ghz": "Linux's documentation, stm32f746-overview",
            "l1_bytes": FROM_MEMORY,
            "flash_bytes, ram_bytes": "Linux's documentation, stm32f746-overview: 1 MiB and 320 KiB",
            "flash_address, ram_address, vectors_address": (
                "Zephyr's device tree stm32f746.dtsi: DTCM, SRAM1 and SRAM2 follow each other"
            ),
        },
    ),
    _board(
        "stm32h743",
        "STM32H743ZI, Cortex-M7",
        _M7,
        clock_ghz=0.48,
        l1_bytes=16 * KIB,
        flash=(0x08000000, 2 * MIB),
        ram=(0x24000000, 512 * KIB),
        vectors=0x08000000,
        bus_bytes=4,
        sources={
            "cores, clock_ghz": "Zephyr's page of mini_stm32h743: at most 480 MHz",
            "l1_bytes": FROM_MEMORY,
            "flash_bytes, flash_address, ram_bytes, ram_address, vectors_address": (
                "Zephyr's device trees stm32h743.dtsi and stm32h743Xi.dtsi: the AXI SRAM, the largest of six stretches"
            ),
        },
    ),
    _board(
        "mps3_an547",
        "Arm MPS3 with AN547 (Corstone-300 in an FPGA), Cortex-M55",
        _M55,
        clock_ghz=0.032,
        l1_bytes=16 * KIB,
        flash=(0x01000000, 2 * MIB),
        ram=(0x21000000, 4 * MIB),
        vectors=0x00000000,
        bus_bytes=8,
        sources={
            "cores, clock_ghz": "QEMU's board mps3-an547",
            "l1_bytes": FROM_MEMORY,
            "flash_bytes, flash_address, ram_bytes, ram_address, vectors_address": (
                "QEMU's hw/arm/mps2-tz.c: code in the SRAM at 0x01000000 that stands for flash, data in SRAM 2"
            ),
        },
    ),
]
