"""What processors' manuals and compilers say that work costs: where a fit begins, and all there is without data.

Cycles are those of full-width vectors, one after the other at the rate the core starts them. What no manual says is the
same for all: a line from the next cache costs an L2's latency in order and a third of it out of order, a line that no
prefetcher asked for 60 ns of memory, and a streamed line its transfer.
"""

from __future__ import annotations

from dataclasses import dataclass

from blockfront.targets.latency.prediction.core_model import Coefficients

PREFETCH_NS = 60.0
LEAST = 0.5
"""A fit to published times lets no instruction cost less than this share of its guide: networks' instructions come in
mixes so alike that else one kind takes on the cost of another."""


@dataclass(frozen=True)
class Guide:
    """A prior and its source; `relative` is the core whose fitted deviation from its guide stands in for this one's."""

    prior: Coefficients
    source: str
    relative: str | None = None


def _in_order(multiply_add: float, word: float) -> Coefficients:
    return Coefficients(multiply_add, 0.5, word, 12.0, PREFETCH_NS, 1.0, pairs=True)


def _out_of_order(multiply_add: float, other: float, word: float, l2_line: float = 0.0) -> Coefficients:
    return Coefficients(multiply_add, other, word, 6.0, PREFETCH_NS, 1.0, l2_line=l2_line)


GUIDES = {
    "cortex-a53": Guide(_in_order(1, 2), "LLVM's AArch64SchedA53.td: one vector operation a cycle, 64 bits loaded"),
    "cortex-a55": Guide(_in_order(1, 2), "Arm Cortex-A55 Software Optimization Guide 4.0: a vector operation a cycle"),
    "cortex-a57": Guide(_out_of_order(1, 0.5, 1), "LLVM's AArch64SchedA57.td"),
    "cortex-a72": Guide(_out_of_order(1, 0.5, 1), "Arm Cortex-A72 Software Optimization Guide"),
    "cortex-a73": Guide(_out_of_order(1, 0.5, 0.5), "that of the Cortex-A72, with two load units; unverified"),
    "cortex-a76": Guide(_out_of_order(0.5, 0.25, 0.5, 10), "Arm Cortex-A76 Software Optimization Guide"),
    "cortex-x1": Guide(
        _out_of_order(0.25, 0.2, 0.34, 10), "LLVM's AArch64SchedNeoverseV1.td, of the same pipeline", "cortex-a76"
    ),
    "sifive-u74": Guide(_in_order(1, 1), "LLVM's RISCVSchedSiFive7.td", "cortex-a53"),
    "spacemit-x60": Guide(_in_order(2, 2), "LLVM's RISCVSchedSpacemitX60.td: units of 128 bits", "cortex-a55"),
}
"""By LLVM's name of the core."""
