"""A split into training and test images that is the same on every machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from blockfront.digest import digest

TEST_SHARE = 0.2
"""Of pictures that their folder does not part."""


def stratified_split(
    keys: Sequence[bytes], labels: Sequence[int], test_share: float
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Indices of the training and the test images, in ascending order.

    Each class gives round(test_share x its size) images to the test set, at least one: those whose key has
    the smallest SHA-256. No random generator is involved, so no library's version can move an image across.
    """
    classes: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for index, (key, label) in enumerate(zip(keys, labels, strict=True)):
        classes[label].append((digest(key), index))
    test = {
        index
        for members in classes.values()
        for _, index in sorted(members)[: max(1, round(test_share * len(members)))]
    }
    return tuple(i for i in range(len(keys)) if i not in test), tuple(sorted(test))
