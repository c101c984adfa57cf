"""A training on disk after each epoch: all that the rest of it depends on, so that it ends as if never interrupted."""

from __future__ import annotations

import io
import pickle
import random
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import nn
from torch.optim import Optimizer

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.files import write_atomically

ABANDONED_DAYS = 30
"""Checkpoints that nobody came back to for so long go when another is written."""


def checkpoint_path(*key: object) -> Path:
    """Where the checkpoint of a training lies that `key` stands for: network, recipe, data and seed."""
    name = digest("\n".join(map(str, key)), 32)
    return cache_folder() / "checkpoints" / f"{name}.pt"


def save_checkpoint(
    path: Path,
    module: nn.Module,
    optimizer: Optimizer,
    average: ModelEmaV3 | None,
    curve: Sequence[float],
    seconds: float,
) -> None:
    """Write a training as it is after an epoch, whole or not at all; a disk that is full costs the checkpoint alone.

    `curve` has a value for each epoch that is done, which together took `seconds`.
    """
    state = {**training_state(module, optimizer, average), "curve": list(curve), "seconds": seconds}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with suppress(OSError):
        write_atomically(path, buffer.getvalue(), make_folders=True, survives_power_cut=False)
        _remove_abandoned(path.parent)


def resume(
    path: Path | None, module: nn.Module, optimizer: Optimizer, average: ModelEmaV3 | None
) -> tuple[list[float], float]:
    """Put back what `save_checkpoint` wrote, and give its curve and seconds.

    Where there is no file, or one that cannot be read or is of another network, nothing changes, and none are done.
    """
    kept = None if path is None else load_checkpoint(path)
    if kept is None:
        return [], 0.0
    before = deepcopy(training_state(module, optimizer, average))
    try:
        restore_state(kept, module, optimizer, average)
        return list(kept["curve"]), float(kept["seconds"])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError):
        restore_state(before, module, optimizer, average)
        return [], 0.0


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote; None where there is none that can be read."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile):
        return None
    return found if isinstance(found, dict) else None


def training_state(module: nn.Module, optimizer: Optimizer, average: ModelEmaV3 | None) -> dict[str, Any]:
    """Weights, optimiser, average and the random generators of Python, NumPy and torch, as tensors and plain values.

    The schedule follows from the number of steps alone.
    """
    kind, keys, *rest = np.random.get_state()
    return {
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": None if average is None else average.module.state_dict(),
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_state(state: dict[str, Any], module: nn.Module, optimizer: Optimizer, average: ModelEmaV3 | None) -> None:
    """Put back what `training_state` gave."""
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    if average is not None:
        average.module.load_state_dict(state["average"])
    random.setstate(state["python"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob("*.pt"):
        if time.time() - path.stat().st_mtime > ABANDONED_DAYS * 86400:
            path.unlink(missing_ok=True)
