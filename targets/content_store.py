"""A folder of files under the hashes of what they were made from."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

_EVICT_EVERY = 200


class ContentStore:
    """Files by key, safe for many processes: they appear whole or not at all.

    It keeps about `limit_bytes`; the entries unused for longest go first. A full disk or a folder that cannot be
    written costs the entry, nothing else.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._written = 0

    def read(self, key: str) -> bytes:
        """The file under `key`; raises `OSError` when there is none."""
        path = self._path(key)
        content = path.read_bytes()
        with suppress(OSError):
            os.utime(path)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Keep a file under `key`."""
        path = self._path(key)
        with suppress(OSError):
            write_whole(path, content)
            self._written += 1
            if self._written % _EVICT_EVERY == 0:
                self.evict()

    def evict(self) -> None:
        """Delete the entries unused for longest until the folder is within its limit."""
        entries = []
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.limit_bytes:
                return
            with suppress(OSError):
                path.unlink()
            total -= size

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that others see whole or not at all, and the folders it is in; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)


def cache_folder() -> Path:
    """Where the suite keeps what can be made again: `$BENCH_CACHE`, else `bench` in the user's cache folder."""
    given = os.environ.get("BENCH_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"
