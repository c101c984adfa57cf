"""What a data set holds, found before anything is trained on it: images a class, and a look at some pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import UnidentifiedImageError

from blockfront.errors import UsageError
from blockfront.training.decoding import Levels, find_levels

if TYPE_CHECKING:
    from blockfront.training.datasets import Pictures

DECODED_BEFORE_TRAINING = 1000
"""Pictures looked at before training, evenly spread; the others are checked as they are read."""


class ClassImages(NamedTuple):
    """A class, how many images of it are for training and for testing, and of classes of pixels its share of them."""

    name: str
    train: int
    test: int
    pixels: float | None = None

    def __str__(self) -> str:
        share = "" if self.pixels is None else f" ({self.pixels:.1%})"
        return f"{self.name}: {self.train} + {self.test}{share}"


def count_classes(names: Sequence[Any], train: Iterable[int], test: Iterable[int]) -> tuple[ClassImages, ...]:
    """Images a class, from the class indices of the training and of the test images."""
    counts = Counter(map(int, train)), Counter(map(int, test))
    return tuple(
        ClassImages(printable(str(name)), *(part[label] for part in counts)) for label, name in enumerate(names)
    )


def look(*parts: Pictures) -> Levels:
    """Decode some pictures of a data set, and find the levels they need; raises `UsageError` naming a bad one."""
    step = -(-sum(map(len, parts)) // DECODED_BEFORE_TRAINING)
    at: tuple[Pictures, int] | None = None

    def chosen() -> Iterator[Any]:
        nonlocal at
        offset = 0
        for pictures in parts:
            for index in range(-offset % step, len(pictures), step):
                at = pictures, index
                yield pictures[index][0]
            offset += len(pictures)

    try:
        return find_levels(chosen())
    except UsageError:
        raise
    except Exception as error:
        if at is None:
            raise
        raise UsageError(complaint(*at, error)) from error


def complaint(pictures: Pictures, index: int, error: Exception) -> str:
    """The line for a picture that cannot be read: its file where the data set knows it, and the reason."""
    filename = getattr(pictures, "filename", None)
    name = (filename and filename(index)) or f"number {index} of the data set"
    return unreadable(f"image {printable(name)}", error)


def unreadable(what: str, error: Exception) -> str:
    """The line for a picture, or one that says something of it, on which Pillow or the system failed."""
    reason = getattr(error, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
    if isinstance(error, UnidentifiedImageError):
        reason = "its content is of no format that Pillow knows"
    return f"{what} cannot be read ({reason}); remove or replace it"


def text_of(file: Path) -> str:
    """What a list beside pictures says; raises `UsageError` for one that is no UTF-8."""
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no UTF-8, at byte {error.start}: save it as UTF-8") from error


def printable(name: str) -> str:
    """A file's name on one line, with escapes for what cannot be shown."""
    return name if name.isprintable() else repr(name)[1:-1]


def aside(notes: Sequence[str]) -> str:
    """Notes in brackets behind a line; nothing where there are none."""
    return f" ({'; '.join(notes)})" if notes else ""


def listed(names: Sequence[str], limit: int = 3) -> str:
    """Some names as text, the first few of many."""
    more = len(names) - limit
    return ", ".join(map(printable, names[:limit])) + (f" and {more} more" if more > 0 else "")
