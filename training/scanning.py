"""What lies below a folder: pictures, and whatever else is left out, by reason."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from blockfront.errors import UsageError
from blockfront.training.decoding import open_picture
from blockfront.training.survey import listed, printable

IDENTIFIED_ONLY = frozenset({"BUFR", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow knows by their first bytes and cannot decode."""
SYSTEM_FOLDERS = frozenset({"@eadir", "__macosx", "$recycle.bin", "lost+found"})
"""Hidden folders without a dot: thumbnails and what was deleted."""

_Identity = tuple[int, int]


@dataclass
class Tree:
    """The pictures below a folder and all its folders, as paths relative to it with `/`, and what was left out.

    `skipped` is from a reason to the paths that it holds of.
    """

    pictures: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def notes(self) -> list[str]:
        """A line for each reason, with how many paths it holds of and some of them."""
        return [
            f"skipped as {reason}: {len(paths)} ({listed(sorted(paths))})"
            for reason, paths in sorted(self.skipped.items())
        ]


@cache
def picture_endings() -> frozenset[str]:
    """The endings of names, in lower case, of the formats that Pillow decodes here."""
    return frozenset(
        ending
        for ending, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in IDENTIFIED_ONLY
    )


def scan(root: Path) -> Tree:
    """All that lies below `root`, whatever its depth; links are followed but for those to a folder above them.

    A file without an ending is a picture if it begins like one. Raises `UsageError` for a folder that cannot be read.
    """
    tree = Tree()
    above = frozenset(_identity(folder) for folder in (root, *root.parents))
    todo = [("", above)]
    while todo:
        folder, chain = todo.pop()
        for entry in _entries(root / folder):
            path = folder + entry.name
            identity, reason = _judge(entry, chain)
            if reason is not None:
                tree.skipped[reason].append(path)
            elif identity is None:
                tree.pictures.append(path)
            else:
                tree.folders.append(path)
                todo.append((path + "/", chain | {identity}))
    return tree


def _judge(entry: os.DirEntry[str], above: frozenset[_Identity]) -> tuple[_Identity | None, str | None]:
    """A folder's identity, and why to leave a file or a folder out."""
    if entry.name.startswith(".") or entry.name.casefold() in SYSTEM_FOLDERS:
        return None, "hidden"
    try:
        if entry.is_dir():
            identity = _identity(entry)
            return identity, "link to a folder above it" if identity in above else None
        if not entry.is_file():
            return None, "broken link" if entry.is_symlink() else "neither file nor folder"
    except OSError:
        return None, "broken link"
    return None, None if _is_picture(entry) else "no picture"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise UsageError(
            f"{printable(str(folder))} cannot be read ({error.strerror}); check its permissions"
        ) from error


def _identity(folder: Path | os.DirEntry[str]) -> _Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_picture(entry: os.DirEntry[str]) -> bool:
    ending = os.path.splitext(entry.name)[1].lower()
    if ending:
        return ending in picture_endings()
    try:
        with open_picture(open(entry.path, "rb")) as image:
            return image.format not in IDENTIFIED_ONLY
    except Image.UnidentifiedImageError:
        return False
    except Exception:
        # a picture too large, or a file that may not be read: told by name when it is looked at
        return True
