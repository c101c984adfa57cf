"""Names of models as users list them: one by one, by pattern, or in a file."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from blockfront.design_space.file_reference import file_of
from blockfront.design_space.models import OF_TIMM
from blockfront.errors import UsageError, why_unreadable

_TORCHVISION = "torchvision:"


def expand(refs: Sequence[str]) -> list[str]:
    """The names that `refs` mean, in order: patterns of timm's or torchvision's names and of files, and lists in files,
    filled in.

    `@FILE` and `FILE.txt` hold a name or pattern a line, empty lines and what follows a # left out. A pattern with a
    dot is of names with tags of weights, `resnet50.*`, and one with a folder or an extension of files, sorted by name:
    `nets/*`, `*.onnx`, `nets/*.py:net`. Raises UsageError for a pattern that fits nothing, and for a file that is
    missing, unreadable or lists nothing.
    """
    names = [name for ref in refs for name in _expanded(ref)]
    if not names:
        raise UsageError("name at least one model, such as mobilenetv3_small_100 or 'mobilenet*'")
    return names


def _expanded(ref: str) -> Iterator[str]:
    if ref.startswith("@") or ref.endswith(".txt"):
        for line in _lines(Path(ref.removeprefix("@")).expanduser()):
            if line.startswith("@") or line.endswith(".txt"):
                raise UsageError(f"{ref} lists {line}: a list holds no other lists")
            yield from _expanded(line)
    elif any(sign in ref for sign in "*?[") and not Path(file_of(ref) or ref).expanduser().is_file():
        yield from _matching(ref)
    else:
        yield ref


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise UsageError(f"there is no file {file}, which is to list models")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file} as a list of models: {why_unreadable(error)}") from error
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    if not any(lines):
        raise UsageError(f"{file} lists no model: give one name a line")
    return [line for line in lines if line]


def _matching(pattern: str) -> list[str]:
    if pattern.startswith(_TORCHVISION):
        from torchvision import models

        prefix, names = _TORCHVISION, models.list_models()
    else:
        import timm

        if file_of(pattern) is None:
            pattern = OF_TIMM.sub("", pattern)
        if file_of(pattern) is not None or "/" in pattern:
            return _files(pattern)
        prefix, names = "", timm.list_pretrained() if "." in pattern else timm.list_models()
    found = [prefix + name for name in names if fnmatchcase(prefix + name, pattern)]
    if not found:
        whose = "torchvision" if prefix else "timm"
        raise UsageError(
            f"no model of {whose} fits {pattern!r}; patterns are like 'mobilenet*', of files like '*.onnx'"
        )
    return found


def _files(pattern: str) -> list[str]:
    """Files of models that a pattern fits, each with the function that it names; functions have no patterns."""
    path = file_of(pattern) or pattern
    function = pattern[len(path) :]
    if any(sign in function for sign in "*?["):
        raise UsageError(f"{pattern!r} is a pattern of functions: name each, as {path}:NAME")
    found = sorted(glob.glob(str(Path(path).expanduser())))
    files = [file + function for file in found if file_of(file) is not None and Path(file).is_file()]
    if not files:
        raise UsageError(f"no file of a model fits {pattern!r}, seen from {Path.cwd()}")
    return files
