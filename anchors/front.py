"""The front that a search for anchors keeps: what is cheap for its accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from blockfront.anchors.slots import Removed


@dataclass(frozen=True)
class Node:
    """A configuration: the slots it lacks, its metrics, the first of which counts, and its cost."""

    removed: Removed
    metrics: tuple[float, ...]
    cost: float

    @property
    def value(self) -> float:
        """What counts of its metrics."""
        return self.metrics[0]


@dataclass
class Front:
    """Nodes of which none is dominated, in the order in which they came.

    The published rule: a new node drops those that are worse and no cheaper, and those of the same metrics that are
    dearer; it is left out when one that stays is as good and no dearer. A dearer node of the same value but other
    metrics therefore stays beside a cheaper one; with `strict` it goes.
    """

    strict: bool = False
    nodes: list[Node] = field(default_factory=list)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def add(self, new: Node) -> bool:
        """Whether it came onto the front."""
        self.nodes = [node for node in self.nodes if not self._drops(new, node)]
        if any(node.value >= new.value and node.cost <= new.cost for node in self.nodes):
            return False
        self.nodes.append(new)
        return True

    def _drops(self, new: Node, node: Node) -> bool:
        if new.value > node.value and new.cost <= node.cost:
            return True
        alike = new.value == node.value if self.strict else new.metrics == node.metrics
        return alike and new.cost < node.cost
