"""A folder of files under the hashes of what they were made from."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from blockfront.files import write_atomically

BLOCK_BYTES = 4096
"""An entry counts in whole blocks, as disks give them: most are far smaller."""
_LEFT = 0.9
"""What an eviction leaves of the limit: to count all entries takes time, and the next eviction is to be far off."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class ContentStore:
    """Files by key, safe for many processes: they appear whole or not at all.

    The folder keeps about `limit_bytes`, whoever writes: the entries unused for longest go first. Its size is told by
    the file `size` in it, which has a byte for each block of the entries: any number of these objects, in any number
    of processes, add to it without waiting for each other, and whoever goes over the limit makes room. A disk that is
    full loses a tenth of the entries; one that stays full, or a folder that cannot be written, costs the entry and
    nothing else.
    """

    folder: Path
    limit_bytes: int

    def read(self, key: str) -> bytes:
        """The file under `key`; raises `OSError` when there is none."""
        path = self._path(key)
        content = path.read_bytes()
        with suppress(OSError):
            os.utime(path)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Keep a file under `key`, unless it alone is above the limit."""
        if _blocks(len(content)) > self._limit:
            return
        with suppress(OSError):
            try:
                self._write(key, content)
            except OSError as error:
                if error.errno in _FULL and self._make_room():
                    self._write(key, content)

    @property
    def _limit(self) -> int:
        return self.limit_bytes // BLOCK_BYTES

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]

    def _write(self, key: str, content: bytes) -> None:
        # No entry need outlive a power cut: a damaged one counts as absent.
        write_atomically(self._path(key), content, make_folders=True, survives_power_cut=False)
        # Counted only now: whoever counts all entries meanwhile has either seen this one, or adds what follows.
        with self._opened_size() as size:
            known = _length(size) > 0
            os.write(size, bytes(_blocks(len(content))))
            if not known or _length(size) > self._limit:
                self._evict(size)

    @contextmanager
    def _opened_size(self) -> Iterator[int]:
        size = os.open(self.folder / "size", os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o666)
        try:
            yield size
        finally:
            # This unlocks it, too.
            os.close(size)

    def _evict(self, size: int) -> None:
        """Count the entries, and delete until they are within the limit, unless another process is at it.

        It is called for an empty size as well: the folder is of a version without one, or somebody deleted it.
        """
        if _lock(size):
            while self._delete(size, self._left_of) and _length(size) > self._limit:
                pass

    def _left_of(self, total: int) -> int:
        return total if total <= self._limit else int(self._limit * _LEFT)

    def _make_room(self) -> bool:
        """Delete a tenth of the entries; whether that, or another process, gave the disk room."""
        with self._opened_size() as size:
            return not _lock(size) or self._delete(size, lambda total: int(total * _LEFT))

    def _delete(self, size: int, left_of: Callable[[int], int]) -> bool:
        """Delete what was unused for longest until the blocks that `left_of` the total says are left, if any must go.

        The size becomes what is left, and what others added meanwhile. Returns whether something was deleted.
        """
        before = _length(size)
        entries = []
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                status = path.stat()
                entries.append((status.st_mtime, _blocks(status.st_size), path))
        total = sum(blocks for _, blocks, _ in entries)
        left, counted = left_of(total), total
        for _, blocks, path in sorted(entries):
            if total <= left:
                break
            with suppress(OSError):
                path.unlink(missing_ok=True)
                total -= blocks
        os.ftruncate(size, total + max(0, _length(size) - before))
        return total < counted


def _blocks(size: int) -> int:
    return max(1, -(-size // BLOCK_BYTES))


def _length(file: int) -> int:
    return os.fstat(file).st_size


def _lock(file: int) -> bool:
    """Lock a file until it is closed, unless another process has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def cache_folder() -> Path:
    """Where the suite keeps what can be made again: `$BENCH_CACHE`, else `bench` in the user's cache folder."""
    given = os.environ.get("BENCH_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"
