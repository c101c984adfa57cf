"""Where calibrations are kept: one file a target and device."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from blockfront.content_store import cache_folder
from blockfront.errors import RunError, UsageError
from blockfront.files import write_atomically
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.calibration.record import Calibration


def calibration_path(target: str, device: str) -> Path:
    """The file of a device's calibration in the cache folder."""
    return _folder(target) / f"{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-') or 'device'}.json"


def save_calibration(calibration: Calibration, path: Path | None = None) -> Path:
    """Write a calibration to `path`, or where `load_calibration` finds it; raises `RunError` when that is impossible.

    The newest of a target's calibrations counts.
    """
    path = path or calibration_path(calibration.target, calibration.measured.device)
    text = msgspec.json.format(msgspec.json.encode(calibration), indent=2)
    try:
        write_atomically(path, text, make_folders=True)
    except OSError as error:
        raise RunError(f"the calibration cannot be kept: {error}") from error
    return path


def load_calibration(target: Target, path: Path | None = None) -> Calibration | None:
    """The calibration of `path`, or else the newest of the target's devices; None when there is none.

    Raises `UsageError` for a file that is missing, damaged, or another target's; one in the cache folder that cannot
    be read, or was written by another version, is as if it were not there.
    """
    if path is not None:
        return _read(path, target)
    kept = sorted(_folder(target.name).glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in kept:
        try:
            return _read(file, target)
        except UsageError:
            continue
    return None


def _read(path: Path, target: Target) -> Calibration:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except OSError as error:
        raise UsageError(f"calibration {path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path} is no calibration: {error}; make one with bench calibrate") from error
    if found.target != target.name:
        raise UsageError(f"{path} is a calibration of {found.target}, not of {target.name}")
    return found


def _folder(target: str) -> Path:
    return cache_folder() / "calibration" / target
