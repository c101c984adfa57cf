"""Calls of ATen operators that no converter takes as they are, in terms of calls that one does.

Which calls these are is in `importing/support.py`. What is not here is torch's own decomposition, or is refused.
"""

from blockfront.targets.compiler.decompositions import (  # noqa: F401
    arithmetic,
    attention,
    indexing,
    normalising,
    pooling,
    ranking,
    recurrent,
    refused,
    regions,
    windows,
)
from blockfront.targets.compiler.decompositions.registry import DECOMPOSITIONS, FOREIGN

__all__ = ["DECOMPOSITIONS", "FOREIGN"]
