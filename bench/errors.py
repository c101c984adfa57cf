"""The two ways a command fails; both carry one line that says what to do next."""

from __future__ import annotations


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
