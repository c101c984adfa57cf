"""Files that others see whole or not at all, and those of the system, which may not be there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blockfront.errors import RunError


def write_atomically(
    path: Path, content: bytes | str, *, make_folders: bool = False, survives_power_cut: bool = True
) -> None:
    """Write a file (text as UTF-8), in place of one that is there; raises `OSError`, and nothing has changed.

    `make_folders`: make the folders it is in. `survives_power_cut`: wait until the disk has it, so that after a power
    cut the old or the new content is there; what can be made again, and is checked when read, need not wait.
    """
    data = content.encode() if isinstance(content, str) else content
    if make_folders:
        path.parent.mkdir(parents=True, exist_ok=True)
    with _replacement(path, ".part", survives_power_cut) as part:
        part.write_bytes(data)


def fill_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """The same for a writer that takes a path: it gets one with the extension of `path`.

    Raises what `write` raises, or `OSError`, and nothing has changed.
    """
    with _replacement(path, path.suffix, True) as part:
        write(part)


def stripped_text(path: Path) -> str:
    """What a file says without the white space around it; nothing of one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `RunError` that says that `path` cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _replacement(path: Path, extension: str, survives_power_cut: bool) -> Iterator[Path]:
    # The name is short whatever that of `path`: one that only just fits leaves no room for additions.
    part = path.with_name(f".bench-{os.urandom(8).hex()}{extension}")
    # Opened like any new file, and not by `tempfile`, whose files are their owner's alone whatever the umask.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield part
        if survives_power_cut:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
