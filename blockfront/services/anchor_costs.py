"""What configurations of a detector's anchors cost: by counting, or as their heads are predicted on a target.

What follows the head depends on the boxes that are found: `blockfront/services/anchor_boxes.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.errors import UsageError

if TYPE_CHECKING:
    from blockfront.anchors import Price, Removed
    from blockfront.console.progress import Progress
    from blockfront.design_space import AnchorNetwork
    from blockfront.targets import Means

COSTS = ("head_macs", "boxes", "latency")
_SLOT = 1e-9
"""Share of a head's latency that a slot is worth that changes nothing else, so that the search goes on without it."""


def counted_price(network: AnchorNetwork, cost: str) -> Price:
    """Multiply-adds of the head, or boxes of an image."""
    from blockfront.anchors import pruned_network

    if cost == "boxes":
        return lambda removed: float(pruned_network(network, removed).boxes)
    return lambda removed: float(pruned_network(network, removed).cost.head_macs or 0)


class HeadLatency:
    """Milliseconds of all that follows a detector's backbone, compiled for a target and predicted there.

    A head costs what the numbers of slots of its levels make it; each such head is compiled once a machine. Raises
    `UsageError` for means that measure: a search by what comes out differently each time would not be repeatable.
    """

    def __init__(self, network: AnchorNetwork, means: Means) -> None:
        from blockfront.anchors import Memo, slots_of

        if means.measures is not None:
            raise UsageError(
                f"a search for anchors wants latencies that are predicted, not {means.meter.title}: "
                "give --runner roofline, or another --target"
            )
        self.network, self.means, self.slots = network, means, slots_of(network)
        what = network.id, means.options.target.name, means.options.threads, means.meter.name, means.prediction
        self._memo = Memo(cache_folder() / "anchors" / f"{digest(repr(what), 20)}-latency.jsonl")
        self._savings: list[list[float]] = []

    def prepare(self, progress: Progress) -> None:
        """Compile the head with fewer slots in one level at a time, which `estimated` adds up."""
        counts = self.slots.counts
        shared = self.network.head.kind == "retina"
        with progress.stage("heads", sum(counts)) as advance:
            whole = self(frozenset())
            for level, count in enumerate(counts):
                found = []
                for left in range(count):
                    fewer = [
                        left if other == level or (shared and left) else all_of for other, all_of in enumerate(counts)
                    ]
                    share = len(counts) if shared and left else 1
                    found.append((whole - self(self._removed(fewer))) / share if any(fewer) else whole)
                    advance()
                # Fewer slots never cost more: spare channels may stay.
                self._savings.append([max([0.0, *found[left:]]) for left in range(count)] + [0.0])

    def __call__(self, removed: Removed) -> float:
        """Of the head without some slots."""
        like = self._removed([len(own) for own in self.slots.kept(removed)])
        return self._memo.of(like, lambda: (self._milliseconds(like),))[0]

    def estimated(self, removed: Removed) -> float:
        """The same as the sum of what each level saves by itself, which falls with every slot, as a search wants it.

        A head of which one slot less makes vectors less full can take longer, and then no way leads past it.
        """
        whole = self(frozenset())
        kept = self.slots.kept(removed)
        saved = sum(savings[len(own)] for savings, own in zip(self._savings, kept, strict=True))
        return whole - saved - _SLOT * whole * len(removed)

    def _removed(self, counts: list[int]) -> Removed:
        """The configuration with so many slots in every level, of each the first: it has the same layers."""
        return self.slots.removed([range(count) for count in counts])

    def _milliseconds(self, removed: Removed) -> float:
        from blockfront.anchors import pruned_network
        from blockfront.training import seeded

        network = pruned_network(self.network, removed)
        with seeded(0):
            head = network.build_head().eval()
            return self.means.latency(self.means.prepare(head, network.head_signature, 0)).median_ms
