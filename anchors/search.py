"""The search for anchors that can go: one more at a time, from whatever is on the front."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from blockfront.anchors.front import Front, Node
from blockfront.anchors.slots import Removed, Slots, Step
from blockfront.errors import UsageError

SlotMetrics = Callable[[Removed, Removed], tuple[float, ...]]
"""From a configuration, and the one that it was made of, to its metrics, of which the first counts."""
Price = Callable[[Removed], float]
"""From a configuration to its cost."""


@dataclass(frozen=True)
class Rules:
    """How the search goes on.

    Children below `least` are discarded. With `shortcuts` the first child that is better than its parent, or gives the
    same metrics, is taken at once, and its siblings are not looked at: far fewer evaluations, and a front that may lack
    what they would have led to. Metrics are rounded to `digits` decimals before anything is compared (3 as published,
    None for none), which makes many children as good as their parents. With `newest_first` nodes are taken from the end
    of the queue, else from its front; the published program takes them in no order at all, so that no two runs of it
    agree. `step` is how children differ from their parents. With `most` each level in turn is brought down to so many
    slots, before the next one is looked at, as suits detectors with more slots than they need; without, all at once.
    `strict` is the front's.
    """

    least: float = 0.2
    shortcuts: bool = True
    digits: int | None = 3
    newest_first: bool = True
    step: Step = "slot"
    most: int | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.most is not None and (self.most < 1 or self.step != "slot"):
            raise UsageError("levels are brought down slot by slot, to one or more each")


@dataclass(frozen=True)
class Found:
    """What a search found: the front, cheapest last, and every configuration that it evaluated.

    The front is empty where levels could not be brought down to as many slots as they may have.
    """

    front: tuple[Node, ...]
    evaluated: dict[Removed, Node]


def search_anchors(slots: Slots, measure: SlotMetrics, price: Price, rules: Rules | None = None) -> Found:
    """Configurations on the front of value and cost, of those that removing one thing after the other leads to.

    It decides in a fixed order, so that the same measure gives the same front; what was measured is not measured again.
    """
    return _Search(slots, measure, price, rules or Rules()).run()


class _Search:
    def __init__(self, slots: Slots, measure: SlotMetrics, price: Price, rules: Rules) -> None:
        self.slots, self.measure, self.price, self.rules = slots, measure, price, rules
        self.known: dict[Removed, Node] = {}

    def run(self) -> Found:
        root = self.node(frozenset(), frozenset())
        if self.rules.most is None:
            front, _ = self.explore([root], None)
        else:
            seeds = [root]
            for level, own in enumerate(self.slots.levels):
                if len(own) > self.rules.most:
                    _, seeds = self.explore(seeds, level)
            front = Front(self.rules.strict)
            for node in seeds:
                if all(self.fits(node, level) for level in range(len(self.slots.counts))):
                    front.add(node)
        return Found(tuple(sorted(front, key=lambda node: (-node.cost, -node.value))), self.known)

    def explore(self, seeds: list[Node], level: int | None) -> tuple[Front, list[Node]]:
        """The front that is reached from some nodes, and the nodes of it that lead no further."""
        front, queue, visited = Front(self.rules.strict), deque[Node](), set[Removed]()
        for node in seeds:
            if front.add(node):
                queue.append(node)
        ends: list[Node] = []
        while queue:
            node = queue.pop() if self.rules.newest_first else queue.popleft()
            if node.removed in visited:
                continue
            visited.add(node.removed)
            fits = level is not None and self.fits(node, level)
            further = [] if fits else [child for child in self.children(node, level) if front.add(child)]
            queue.extend(further)
            if not further:
                ends.append(node)
        return front, ends

    def fits(self, node: Node, level: int) -> bool:
        return len(set(self.slots.levels[level]) - node.removed) <= (self.rules.most or 0)

    def children(self, parent: Node, level: int | None) -> Front:
        """The children of a node that may come onto the front."""
        local = Front(self.rules.strict)
        for removed in self.slots.children(parent.removed, self.rules.step, level):
            child = self.node(removed, parent.removed)
            # Where levels are brought down one by one, being better is no reason to leave the others.
            better = child.value > parent.value and level is None
            same = child.metrics == parent.metrics and (level is None or child.value >= self.rules.least)
            if self.rules.shortcuts and (better or same):
                return Front(nodes=[child])
            if child.value >= self.rules.least:
                local.add(child)
        return local

    def node(self, removed: Removed, parent: Removed) -> Node:
        if removed not in self.known:
            metrics = self.measure(removed, parent)
            if self.rules.digits is not None:
                metrics = tuple(round(metric, self.rules.digits) for metric in metrics)
            self.known[removed] = Node(removed, metrics, self.price(removed))
        return self.known[removed]
