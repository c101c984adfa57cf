"""The two ways a command fails; both carry one line that says what to do next."""

from __future__ import annotations


class UsageError(ValueError):
    """The call is wrong: a name, a file or a number the user can correct. Exit code 2."""


class RunError(RuntimeError):
    """The call was right and the work failed: a device, a compiler, a network. Exit code 1."""
