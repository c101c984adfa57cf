"""A trace to Relax with images stored channels-last.

Every value carries the order in which its logical torch dimensions are stored: `order[i]` is the logical
dimension at stored position i, so stored = logical.permute(order). Convolutions store NHWC, permutations only
change the order, and an operator without a rule here gets its inputs restored to torch's own order. Channel
shuffles, ConvNeXt's permutes and flattening thereby cost what they must and nothing more.
"""

from __future__ import annotations

from blockfront.targets.compiler.importing import (
    arithmetic,
    attention,
    boxes,
    images,
    largest,
    layout,
    quantized,
    resizing,
    selecting,
    tokens,
)
from blockfront.targets.compiler.importing.importer import Importer

__all__ = [
    "Importer",
    "arithmetic",
    "attention",
    "boxes",
    "images",
    "largest",
    "layout",
    "quantized",
    "resizing",
    "selecting",
    "tokens",
]
