"""Test pictures that are training pictures too: a network knows them, and its accuracy is not to be believed."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.training.survey import printable

COMPARED = 10_000
"""Files read at most, some test pictures of a larger data set and the training pictures of their sizes."""
HEAD = 1 << 16


def duplicates(root: Path, train: Mapping[str, int], test: Mapping[str, int]) -> tuple[list[tuple[str, str]], int]:
    """Test and training picture of the same bytes, in pairs, and how many test pictures were compared.

    Both parts are paths relative to `root` and their sizes in bytes. Raises OSError for a file that cannot be read.
    """
    chosen = _spread(list(test), COMPARED // 10)
    sizes = {test[path] for path in chosen}
    heads: dict[tuple[int, str], list[str]] = defaultdict(list)
    for path in _spread([path for path, size in train.items() if size in sizes], COMPARED - len(chosen)):
        heads[train[path], _head(root / path)].append(path)
    sizes = {size for size, _ in heads}
    pairs = []
    for path in (path for path in chosen if test[path] in sizes):
        alike = heads.get((test[path], _head(root / path)), [])
        same = next((other for other in alike if filecmp.cmp(root / path, root / other, shallow=False)), None)
        if same is not None:
            pairs.append((path, same))
    return pairs, len(chosen)


def told_duplicates(root: Path, train: Mapping[str, int], test: Mapping[str, int]) -> list[str]:
    """A note on `duplicates`, if there are any; raises `UsageError` naming a file that cannot be read."""
    try:
        pairs, compared = duplicates(root, train, test)
    except OSError as error:
        raise UsageError(f"image {printable(str(error.filename))} cannot be read ({error.strerror})") from error
    if not pairs:
        return []
    example = " and ".join(map(printable, pairs[0]))
    return [f"test images that are training images too: {len(pairs)} of {compared}, such as {example}"]


def _spread(paths: list[str], limit: int) -> list[str]:
    return paths[:: -(-len(paths) // limit) or 1]


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return digest(file.read(HEAD))
