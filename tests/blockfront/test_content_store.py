"""A folder of entries keeps its limit, whoever writes into it."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blockfront.content_store import BLOCK_BYTES, ContentStore

LIMIT = 100_000


def key(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def entries(folder: Path) -> list[Path]:
    return list(folder.glob("*/*"))


def kept_bytes(folder: Path) -> int:
    """What a disk with blocks of 4096 bytes needs for the entries."""
    return sum(-(-path.stat().st_size // BLOCK_BYTES) * BLOCK_BYTES for path in entries(folder))


def has(store: ContentStore, name: object) -> bool:
    try:
        store.read(key(name))
    except FileNotFoundError:
        return False
    return True


def make_space_scarce(monkeypatch: pytest.MonkeyPatch, folder: Path, capacity: int) -> None:
    """A disk that has room for `capacity` bytes of entries."""
    write = Path.write_bytes

    def write_bytes(path: Path, content: bytes) -> int:
        if kept_bytes(folder) + len(content) > capacity:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


def test_many_objects_of_few_writes_keep_the_limit(tmp_path):
    for i in range(30):
        store = ContentStore(tmp_path, LIMIT)
        for j in range(100):
            store.write(key((i, j)), bytes(947))
        assert kept_bytes(tmp_path) <= LIMIT
    assert kept_bytes(tmp_path) >= 0.8 * LIMIT
    assert has(ContentStore(tmp_path, LIMIT), (29, 99))


def test_the_entries_unused_for_longest_go_first(tmp_path):
    store = ContentStore(tmp_path, 10 * BLOCK_BYTES)
    for age in range(10):
        store.write(key(age), bytes([age]))
        (new,) = [path for path in entries(tmp_path) if path.read_bytes() == bytes([age])]
        os.utime(new, (1000 + age, 1000 + age))
    store.read(key(0))
    store.write(key(10), b"new")
    # Nine tenths of ten are left.
    assert [name for name in range(11) if not has(store, name)] == [1, 2]


def test_entries_of_a_version_that_did_not_count_are_counted(tmp_path):
    store = ContentStore(tmp_path, 10 * BLOCK_BYTES)
    for age in range(40):
        path = tmp_path / f"{age:02}" / "entry"
        path.parent.mkdir()
        path.write_bytes(b"old")
    store.write(key("new"), b"new")
    assert kept_bytes(tmp_path) <= 10 * BLOCK_BYTES
    assert has(store, "new")


def test_an_entry_written_again_and_again_pushes_no_other_out(tmp_path):
    store = ContentStore(tmp_path, 10 * BLOCK_BYTES)
    store.write(key("other"), b"other")
    for _ in range(100):
        store.write(key("again"), b"again")
    assert has(store, "other")


def test_an_entry_above_the_limit_is_not_kept_and_pushes_no_other_out(tmp_path):
    store = ContentStore(tmp_path, LIMIT)
    store.write(key("small"), b"small")
    store.write(key("large"), bytes(LIMIT + 1))
    assert has(store, "small")
    assert not has(store, "large")


def test_all_entries_are_looked_at_once_in_a_tenth_of_the_limit(tmp_path, monkeypatch):
    scans, glob = [], Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: scans.append(path) or glob(path, pattern))
    for i in range(500):
        ContentStore(tmp_path, 100 * BLOCK_BYTES).write(key(i), b"1")
    # The first write, and each tenth after the first hundred.
    assert 1 < len(scans) <= 1 + 400 / 10


def test_writes_that_fail_leave_no_files(tmp_path, monkeypatch):
    make_space_scarce(monkeypatch, tmp_path, 0)
    store = ContentStore(tmp_path, LIMIT)
    for i in range(5):
        store.write(key(i), bytes(100))
    assert entries(tmp_path) == []


def test_a_full_disk_loses_what_is_old_and_keeps_what_is_new(tmp_path, monkeypatch):
    make_space_scarce(monkeypatch, tmp_path, 20 * BLOCK_BYTES)
    store = ContentStore(tmp_path, 1000 * BLOCK_BYTES)
    for i in range(100):
        store.write(key(i), bytes(BLOCK_BYTES))
        assert has(store, i)
    assert kept_bytes(tmp_path) <= 20 * BLOCK_BYTES


WRITER = """
import hashlib, sys
from pathlib import Path
from blockfront.content_store import ContentStore

folder, name, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
read = 0
for i in range(200):
    store = ContentStore(folder, limit)
    store.write(hashlib.sha256(f"{name} {i}".encode()).hexdigest(), bytes(1000))
    store.write("shared", bytes(20_000))
    try:
        assert store.read("shared") == bytes(20_000)
        read += 1
    except FileNotFoundError:
        pass  # another process made room
assert read > 100, read
"""


@pytest.mark.processes
def test_many_processes_keep_the_limit_together_and_never_read_half_an_entry(tmp_path):
    processes = 3
    commands = [[sys.executable, "-c", WRITER, str(tmp_path), str(i), str(LIMIT)] for i in range(processes)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * processes, errors
    # Each may be about to count its last entry, which has five blocks, when another has just made room.
    assert kept_bytes(tmp_path) <= LIMIT + processes * 5 * BLOCK_BYTES
    assert {path.stat().st_size for path in entries(tmp_path)} <= {1000, 20_000}
    for i in range(100):
        ContentStore(tmp_path, LIMIT).write(key(i), bytes(1000))
    assert kept_bytes(tmp_path) <= LIMIT
