"""The two ways a command fails; both carry one line that says what to do next."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable


class UsageError(ValueError):
    """The call is wrong: a name, a file or a number the user can correct. Exit code 2."""


class RunError(RuntimeError):
    """The call was right and the work failed: a device, a compiler, a network. Exit code 1."""


class DeviceUnavailable(RunError):
    """No device could be had: no tracker answers, none is attached or becomes free, or it is not what it should be.

    No network can be blamed for that.
    """


class DeviceLost(RunError):
    """A device went away in the middle of a measurement: it, its server or the connection broke. Worth another try."""


class DeviceTimeout(RunError):
    """A device took longer than its session may: a kernel hangs, or is far too slow."""


class CompilerTimeout(RunError):
    """LLVM took longer over a kernel than it may. It cannot be stopped: the process should end."""


def first_line(error: BaseException) -> str:
    """An error's kind and the first line of what it says."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    line = lines[0].strip() if lines else "no message"
    kind = f"{type(error).__name__}: "
    return line if line.startswith(kind) else kind + line


def why_unreadable(error: Exception) -> str:
    """Why a text file could not be read, in words: the system's, or that it is no text."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8 text"
    return getattr(error, "strerror", None) or first_line(error)


def debugging() -> bool:
    """Whether `BENCH_DEBUG` asks that errors which a user's work survives stop it, to be looked into."""
    return os.environ.get("BENCH_DEBUG", "0") not in ("", "0")


def unknown(kind: str, name: str, known: Iterable[str], *, within: str = "", otherwise: str = "") -> UsageError:
    """The error for a name that is none of the `known`: it tells the near ones or, without any, what to do instead.

    `within` is a subject and its verb, such as "block 'ir' has", where the names are those of one thing. `otherwise`
    takes the place of all known names, where they are too many or something else says it better.
    """
    names = list(known)
    hint = otherwise or f"known: {', '.join(names) or 'none'}"
    if near := near_names(name, names):
        hint = f"did you mean {' or '.join(near)}?"
    return UsageError(f"{f'{within} no' if within else 'unknown'} {kind} {name!r}; {hint}")


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of the `known` names that `name` may be a misspelling of, the nearest first."""
    return difflib.get_close_matches(name, list(known))
