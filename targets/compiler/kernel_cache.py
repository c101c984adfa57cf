"""Object code of kernels, on disk, under the hash of everything it depends on."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from blockfront.content_store import ContentStore, cache_folder

LIMIT_BYTES = 2 * 1024**3
_FOLDER = Path(__file__).parent


class CompiledKernel(msgspec.Struct, frozen=True):
    """One kernel for one target: its symbol, the rule that scheduled it (None for none), and an ELF object with it.

    `reason`: why there is no rule, or which of dlight's failed before the one that scheduled it.
    `packed`: (position of an argument, columns) for each constant [..., n] to be passed as [n / columns, ..., columns].
    `code_bytes` and `scratch_bytes`: see `Kernel`.
    """

    symbol: str
    rule: str | None
    code: bytes
    packed: tuple[tuple[int, int], ...] = ()
    reason: str | None = None
    code_bytes: int = 0
    scratch_bytes: tuple[int, int] = (0, 0)


class _Entry(msgspec.Struct, frozen=True):
    """What is stored of a kernel; several name one object."""

    symbol: str
    rule: str | None
    object: str
    packed: tuple[tuple[int, int], ...]
    reason: str | None
    code_bytes: int
    scratch_bytes: tuple[int, int]


class KernelCache:
    """Compiled kernels on disk; `folder` is `$BENCH_CACHE/kernels`, or in the user's cache folder."""

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.files = ContentStore(folder or cache_folder() / "kernels", limit_bytes)
        self._objects: dict[str, bytes] = {}

    def get(self, key: str) -> CompiledKernel | None:
        """The kernel under `key`; None when it is absent or damaged."""
        try:
            entry = msgspec.msgpack.decode(self.files.read(key), type=_Entry)
            if entry.object not in self._objects:
                self._objects[entry.object] = self.files.read(entry.object)
        except (OSError, msgspec.DecodeError):
            return None
        code = self._objects[entry.object]
        whole = hashlib.sha256(code).hexdigest() == entry.object
        kept = (entry.packed, entry.reason, entry.code_bytes, entry.scratch_bytes)
        return CompiledKernel(entry.symbol, entry.rule, code, *kept) if whole else None

    def put(self, key: str, kernel: CompiledKernel) -> None:
        """Keep a kernel."""
        digest = hashlib.sha256(kernel.code).hexdigest()
        if self._objects.get(digest) != kernel.code:
            self.files.write(digest, kernel.code)
            self._objects[digest] = kernel.code
        kept = (kernel.packed, kernel.reason, kernel.code_bytes, kernel.scratch_bytes)
        entry = _Entry(kernel.symbol, kernel.rule, digest, *kept)
        self.files.write(key, msgspec.msgpack.encode(entry))


def rules_sources() -> list[Path]:
    """The files that decide what code a kernel becomes, for given parameters of a machine."""
    names = [
        "building",
        "byte_operations",
        "dot_products",
        "elf",
        "instructions",
        "kernels",
        "partial_sums",
        "rewrites",
    ]
    hardware = [_FOLDER.parent / "hardware" / f"{name}.py" for name in ("instruction_set", "integer", "machine")]
    return sorted([*_FOLDER.glob("schedules/*.py"), *(_FOLDER / f"{name}.py" for name in names), *hardware])


@cache
def rules_version() -> str:
    """A hash of TVM's version and of the sources that turn a kernel into code."""
    digest = hashlib.sha256(version("apache-tvm").encode())
    for path in rules_sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()
