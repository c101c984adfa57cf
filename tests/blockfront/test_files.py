"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from blockfront.errors import RunError
from blockfront.files import explaining, fill_atomically, write_atomically


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write fails half-way."""

    def write_half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)


def fail(path: Path) -> None:
    path.write_text("half")
    raise ValueError("a writer's own")


def test_bytes_text_and_what_a_writer_writes_are_read_back(tmp_path):
    write_atomically(tmp_path / "bytes", b"\x00\xff")
    write_atomically(tmp_path / "text", "µ\n")
    fill_atomically(tmp_path / "filled", lambda path: path.write_bytes(b"by a writer"))
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
    assert (tmp_path / "text").read_bytes() == b"\xc2\xb5\n"
    assert (tmp_path / "filled").read_bytes() == b"by a writer"
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.usefixtures("full_disk")
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    for _ in range(5):
        with pytest.raises(OSError, match="No space left"):
            write_atomically(path, b"new content")
        with pytest.raises(ValueError, match="a writer's own"):
            fill_atomically(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["kept"]


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda file: seen.append((os.pread(file, 9, 0), path.read_text())))
    write_atomically(path, "new")
    assert seen == [(b"new", "old")]
    fill_atomically(path, lambda part: part.write_text("newer"))
    assert seen[1:] == [(b"newer", "new")]


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_permissions_are_those_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        (tmp_path / "plain").touch()
        write_atomically(tmp_path / "written", "text")
        fill_atomically(tmp_path / "filled", lambda path: path.write_text("text"))
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~umask}


def test_a_writer_sees_the_extension_it_was_asked_for(tmp_path):
    fill_atomically(tmp_path / "table.csv", lambda path: path.write_text(path.suffix))
    assert (tmp_path / "table.csv").read_text() == ".csv"


def test_folders_are_made_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    with pytest.raises(FileNotFoundError):
        write_atomically(path, b"1")
    assert not (tmp_path / "a").exists()
    write_atomically(path, b"1", make_folders=True)
    assert path.read_bytes() == b"1"


def test_the_longest_name_that_a_folder_takes_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"1")
    assert path.read_bytes() == b"1"


def test_a_failure_says_which_file_and_why(tmp_path):
    path = tmp_path / "absent" / "file"
    with pytest.raises(RunError, match=f"cannot write {path}: No such file or directory"), explaining(path):
        write_atomically(path, b"1")
