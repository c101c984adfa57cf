"""ML accelerators as ZigZag's package models them: each is like a product, none is one.

The models count cycles and state no clock. The clocks here are those of the products they are like, where there is a
figure; ratios between networks on one accelerator do not depend on them.
"""

from __future__ import annotations

from blockfront.targets.hardware.accelerator import Accelerator
from blockfront.targets.hardware.catalogue.cores import FROM_MEMORY, OUR_CHOICE
from blockfront.targets.hardware.zigzag_files import OURS, SHIPPED

_ZIGZAG = "ZigZag's package"


def _accelerator(
    name: str, title: str, clock_ghz: float, clock: str, mapping: str = "", mapping_source: str = _ZIGZAG
) -> Accelerator:
    return Accelerator(
        name,
        title,
        hardware=f"{SHIPPED}hardware/{name}.yaml",
        mapping=mapping or f"{SHIPPED}mapping/{name}.yaml",
        clock_ghz=clock_ghz,
        sources={
            "hardware": _ZIGZAG,
            "mapping": mapping_source,
            "clock_ghz": clock,
            "bits": "ZigZag's default: weights and activations of 8 bits, partial sums of 16",
            "loops": "our choice: docs/accelerators.md says what it costs",
        },
    )


BOARDS = [
    _accelerator("edge_tpu_like", "like Google's Edge TPU: 8 × 8 × 4 × 4 MACs", 0.5, f"nominal; {FROM_MEMORY}"),
    _accelerator(
        "eyeriss_like",
        "like Eyeriss: 14 × 12 MACs",
        0.2,
        "Chen et al., JSSC 2017: 200 MHz",
        mapping=f"{OURS}eyeriss_like.yaml",
        mapping_source="ours, because ZigZag brings none for this array",
    ),
    _accelerator(
        "tpu_like", "like Google's first TPU, smaller: 32 × 32 MACs", 0.7, "Jouppi et al., ISCA 2017: 700 MHz"
    ),
    _accelerator("ascend_like", "like a core of Huawei's Ascend: 16 × 16 × 2 × 2 MACs", 1.0, f"nominal; {FROM_MEMORY}"),
    _accelerator(
        "tesla_npu_like", "like Tesla's NPU, smaller: 32 × 32 × 4 MACs", 2.0, "WikiChip, FSD chip: NPUs at 2 GHz"
    ),
    _accelerator(
        "meta_prototype",
        "like Meta's prototype for headsets: 32 × 2 × 4 × 4 MACs",
        0.5,
        f"nominal; {OUR_CHOICE}",
        mapping=f"{SHIPPED}mapping/meta_prototype_like.yaml",
    ),
]
