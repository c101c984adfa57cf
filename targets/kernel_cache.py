"""Object code of kernels, on disk, under the hash of everything it depends on."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

LIMIT_BYTES = 2 * 1024**3
_EVICT_EVERY = 200
_FOLDER = Path(__file__).parent


class CompiledKernel(msgspec.Struct, frozen=True):
    """One kernel for one target: its symbol, the rule that scheduled it (None for none), and an ELF object with it.

    `packed`: (position of an argument, columns) for each constant [..., n] to be passed as [n / columns, ..., columns].
    """

    symbol: str
    rule: str | None
    code: bytes
    packed: tuple[tuple[int, int], ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    """What is stored of a kernel; several name one object."""

    symbol: str
    rule: str | None
    object: str
    packed: tuple[tuple[int, int], ...]


class KernelCache:
    """A folder of compiled kernels, safe for many processes: files appear whole or not at all.

    It keeps about `limit_bytes`; the entries unused for longest go first. `folder` is `$BENCH_CACHE/kernels`, or
    in the user's cache folder.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder or cache_folder() / "kernels"
        self.limit_bytes = limit_bytes
        self._written = 0
        self._objects: dict[str, bytes] = {}

    def get(self, key: str) -> CompiledKernel | None:
        """The kernel under `key`; None when it is absent or damaged."""
        try:
            entry = msgspec.msgpack.decode(self._read(key), type=_Entry)
            if entry.object not in self._objects:
                self._objects[entry.object] = self._read(entry.object)
        except (OSError, msgspec.DecodeError):
            return None
        code = self._objects[entry.object]
        whole = hashlib.sha256(code).hexdigest() == entry.object
        return CompiledKernel(entry.symbol, entry.rule, code, entry.packed) if whole else None

    def put(self, key: str, kernel: CompiledKernel) -> None:
        """Keep a kernel. A full disk or a folder that cannot be written costs the entry, not the network."""
        digest = hashlib.sha256(kernel.code).hexdigest()
        with suppress(OSError):
            if self._objects.get(digest) != kernel.code:
                self._write(digest, kernel.code)
                self._objects[digest] = kernel.code
            self._write(key, msgspec.msgpack.encode(_Entry(kernel.symbol, kernel.rule, digest, kernel.packed)))
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

    def _read(self, key: str) -> bytes:
        path = self._path(key)
        content = path.read_bytes()
        with suppress(OSError):
            os.utime(path)
        return content

    def _write(self, key: str, content: bytes) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]


def cache_folder() -> Path:
    """Where the suite keeps what can be made again: `$BENCH_CACHE`, else `bench` in the user's cache folder."""
    given = os.environ.get("BENCH_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"


@cache
def rules_version() -> str:
    """A hash of TVM's version and of the sources that turn a kernel into code."""
    digest = hashlib.sha256(version("apache-tvm").encode())
    alone = [_FOLDER / f"{name}.py" for name in ("building", "kernels", "rewrites")]
    for path in sorted([*_FOLDER.glob("schedules/*.py"), *alone]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
