"""What a detector's head costs without some of its slots, in closed form, and the heads that were published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from blockfront.anchors.slots import Removed, Slots


@dataclass(frozen=True)
class HeadCosts:
    """A head by its levels: pixels of each map, multiply-adds of each pixel a slot, and those that any slot needs.

    The latter are of layers before the last one, such as towers and depthwise convolutions: a level without slots does
    not run them.
    """

    slots: Slots
    pixels: tuple[int, ...]
    macs_a_slot: tuple[int, ...]
    macs_before: tuple[int, ...]

    def boxes(self, removed: Iterable[int] = ()) -> int:
        """Anchors of an image."""
        kept = self.slots.kept(removed)
        return sum(pixels * len(own) for pixels, own in zip(self.pixels, kept, strict=True))

    def macs(self, removed: Iterable[int] = ()) -> int:
        """Multiply-adds of the head for an image, without biases."""
        parts = zip(self.slots.kept(removed), self.pixels, self.macs_a_slot, self.macs_before, strict=True)
        return sum(pixels * (len(own) * slot + before) for own, pixels, slot, before in parts if own)

    @classmethod
    def dense(cls, sides: Iterable[int], widths: Iterable[int], counts: Iterable[int], outputs: int) -> HeadCosts:
        """Of 3 x 3 convolutions, one for each level: `outputs` of a slot are its classes and four for its box."""
        sides, counts = tuple(sides), tuple(counts)
        return cls(
            Slots(counts),
            tuple(side**2 for side in sides),
            tuple(9 * width * outputs for width in widths),
            (0,) * len(counts),
        )

    @classmethod
    def separable(cls, sides: Iterable[int], widths: Iterable[int], counts: Iterable[int], outputs: int) -> HeadCosts:
        """Of SSDLite: a depthwise 3 x 3 convolution for classes and one for boxes, and pointwise ones behind them."""
        sides, counts, widths = tuple(sides), tuple(counts), tuple(widths)
        return cls(
            Slots(counts),
            tuple(side**2 for side in sides),
            tuple(width * outputs for width in widths),
            tuple(18 * width for width in widths),
        )


def ssd300(outputs: int = 85) -> HeadCosts:
    """SSD300 on VGG-16; `outputs` of a slot are 81 + 4 on COCO, 21 + 4 on PASCAL VOC."""
    return HeadCosts.dense((38, 19, 10, 5, 3, 1), (512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4), outputs)


def retinanet(height: int, width: int) -> HeadCosts:
    """RetinaNet with 256 channels and 80 classes: two towers of four 3 x 3 convolutions before the last ones."""
    maps = [(height, width)]
    while len(maps) < 8:
        maps.append((-(-maps[-1][0] // 2), -(-maps[-1][1] // 2)))
    pixels = tuple(down * across for down, across in maps[3:])
    return HeadCosts(Slots((9,) * 5), pixels, (9 * 256 * 84,) * 5, (2 * 4 * 9 * 256 * 256,) * 5)


SSD300: dict[str, Removed] = {
    "baseline": frozenset(),
    "A": frozenset({5, 7, 13, 16, 17, 19, 22, 25, 26, 27, 28}),
    "B": frozenset({1, 2, 5, 7, 13, 16, 17, 19, 24, 25, 26, 27, 28}),
    "C": frozenset({1, 2, 3, 8, 5, 7, 13, 16, 17, 19, 22, 25, 26, 27, 28}),
    "D": frozenset({0, 6, 20, 1, 2, 3, 8, 5, 7, 13, 16, 17, 19, 22, 25, 26, 27, 28}),
}
"""What the published configurations of SSD300 lack (the authors' repository, README), in the order of its anchors: of
each level ratios 1, 2, 3, 1/2, 1/3 of its size, then the larger square."""

RETINANET: dict[str, Removed] = {
    "baseline": frozenset(),
    "pruned": frozenset(range(9)) | {9 * level + 5 for level in range(5)},
}
"""The same of RetinaNet: the finest level, and the largest square of all others."""

ORDERS: dict[str, dict[int, tuple[int, ...]]] = {
    "published": {4: (0, 1, 2, 3), 6: (0, 1, 2, 3, 4, 5)},
    "torchvision": {4: (0, 3, 2, 1), 6: (0, 5, 3, 1, 4, 2)},
}
"""Where other code keeps the slots of a level: at each of its places the number of the published slot. Torchvision and
mmdet have the square of the level's size, the larger square, and then ratios 1/2, 2, 1/3, 3."""
