"""Arm's NPUs, in the systems that Arm's compiler takes where none is named.

Clocks and memories are those of a system on a chip, which Arm does not make: each is one of the examples that come with
the compiler. Another one is an `EthosU` of your own.
"""

from __future__ import annotations

from blockfront.targets.hardware.catalogue.cores import OUR_CHOICE
from blockfront.targets.hardware.ethos import EthosU

_FILE = "Arm/vela.ini of ethos-u-vela 5.2.0"
_SYSTEMS = {
    55: ("Ethos_U55_High_End_Embedded", "Shared_Sram", 0.5, 4.0),
    65: ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB", 1.0, 16.0),
    85: ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB", 1.0, 32.0),
}
_SIZES = {55: (32, 64, 128, 256), 65: (256, 512), 85: (128, 256, 512, 1024, 2048)}


def _npu(series: int, macs: int) -> EthosU:
    system, memory, clock_ghz, sram_gbs = _SYSTEMS[series]
    return EthosU(
        f"ethos_u{series}_{macs}",
        f"Arm Ethos-U{series} with {macs} MACs a cycle",
        configuration=f"ethos-u{series}-{macs}",
        system_config=system,
        memory_mode=memory,
        clock_ghz=clock_ghz,
        sram_gbs=sram_gbs,
        sources={
            "configuration": "vela's name",
            "system_config, memory_mode, file": f"vela's default; {OUR_CHOICE}",
            "clock_ghz, sram_gbs": _FILE,
        },
    )


BOARDS = [_npu(series, macs) for series, sizes in _SIZES.items() for macs in sizes]
