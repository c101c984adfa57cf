"""STMicroelectronics: a microcontroller with an NPU, as its published latencies have it."""

from __future__ import annotations

from blockfront.targets.hardware.catalogue.cores import FROM_MEMORY
from blockfront.targets.hardware.fitted import FittedNpu

_FITTED = "fitted on half of the published latencies (benchmarks/npu_fit.py): docs/accelerators.md"

BOARDS = [
    FittedNpu(
        "stm32n6_like",
        "like ST's STM32N6: Neural-ART NPU, weights in the flash of the discovery kit",
        clock_ghz=1.0,
        macs_per_cycle=300,
        memory_gbs=16.0,
        weights_gbs=0.284,
        grouped_gbs=1.173,
        moves_gbs=0.4844,
        processor_ns=30.46,
        sources={
            "clock_ghz, macs_per_cycle": "ST: 600 GOPS at 1 GHz, nominal",
            "memory_gbs": f"two ports of 64 bits at the clock; {FROM_MEMORY}",
            "weights_gbs, grouped_gbs, moves_gbs, processor_ns": _FITTED,
        },
    )
]
