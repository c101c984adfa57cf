"""Weights as files: written as safetensors with what they are of in the header, and read into a module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from blockfront.errors import UsageError, first_line
from blockfront.plurals import counted

_WITHIN = ("state_dict", "model", "model_state_dict", "state_dict_ema")
"""Where checkpoints of training programs keep the weights."""
COUNTS = "num_batches_tracked"
"""The end of the names of what batch norms count, which no output depends on."""
_BESIDE = "beside:"
"""What names of tensors begin with that are none of the module's own, whose names have no colon."""


def pack_weights(module: nn.Module, facts: Mapping[str, Any], beside: Mapping[str, Tensor] | None = None) -> bytes:
    """A safetensors file of a module's parameters and buffers; `facts` are its metadata, as text or as JSON.

    Tensors `beside` them, such as those of the network in int8, are in the file as well, for `tensors_beside` alone.
    """
    more = {f"{_BESIDE}{name}": tensor for name, tensor in (beside or {}).items()}
    # Apart from each other: the format refuses tensors that share memory.
    tensors = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in (module.state_dict() | more).items()
    }
    texts = {
        name: fact if isinstance(fact, str) else json.dumps(msgspec.to_builtins(fact)) for name, fact in facts.items()
    }
    return safetensors.torch.save(tensors, metadata=texts)


def weights_facts(path: Path) -> dict[str, str]:
    """What a safetensors file's header says of its weights, as texts; raises `UsageError` for a file that is none."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise UsageError(f"{path} cannot be read as safetensors: {first_line(error)}") from error


def tensors_beside(path: Path) -> dict[str, Tensor]:
    """What `pack_weights` wrote beside a module's own tensors; raises `UsageError` for a file that is none of its."""
    weights_facts(path)
    with safetensors.safe_open(path, "pt") as file:
        names = [name for name in sorted(file.keys()) if name.startswith(_BESIDE)]
        return {name.removeprefix(_BESIDE): file.get_tensor(name) for name in names}


def load_weights(module: nn.Module, path: Path) -> None:
    """Give a module the weights of a file: safetensors, or what `torch.load` reads without running anything.

    Counts of batches, which batch norms keep and frozen ones have none of, may be lacking: no output depends on them.
    Raises UsageError for a file that is none of these or that does not fit the module.
    """
    own = module.state_dict()
    given = {**{name: tensor for name, tensor in own.items() if name.endswith(COUNTS)}, **_read(path)}
    check_state(given, own, str(path))
    module.load_state_dict(given)


def unpack_weights(module: nn.Module, packed: bytes, origin: str) -> None:
    """Give a module the weights that `pack_weights` made, which come from `origin`; raises `UsageError` for others."""
    try:
        given = _own(safetensors.torch.load(packed))
    except safetensors.SafetensorError as error:
        raise UsageError(f"{origin} cannot be read as safetensors: {first_line(error)}") from error
    check_state(given, module.state_dict(), origin)
    module.load_state_dict(given)


def check_state(given: Mapping[str, Tensor], own: Mapping[str, Tensor], origin: str) -> None:
    """Raises UsageError unless the tensors of `given`, which come from `origin`, are in name and shape a network's."""
    lacking, foreign = [name for name in own if name not in given], [name for name in given if name not in own]
    if lacking or foreign:
        wrong = [(lacking, "it lacks"), (foreign, "it has, and the network has not,")]
        parts = [f"{what} {counted(len(names), 'tensor')} such as {names[0]}" for names, what in wrong if names]
        raise UsageError(f"{origin} does not fit the network: {'; '.join(parts)}")
    for name, tensor in own.items():
        if given[name].shape != tensor.shape:
            sizes = f"{list(given[name].shape)}, and {list(tensor.shape)} in the network"
            raise UsageError(f"{origin} does not fit the network: {name} is {sizes}")


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return _own(safetensors.torch.load_file(path))
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except safetensors.SafetensorError as error:
        raise UsageError(f"{path} cannot be read as safetensors: {first_line(error)}") from error
    except Exception as error:  # Whatever torch's reader makes of a file that is none of its own.
        raise UsageError(
            f"{path} holds no weights that can be read without running its code: "
            "give safetensors, or what torch.save makes of a module's state_dict()"
        ) from error
    within = next((name for name in _WITHIN if isinstance(found, Mapping) and isinstance(found.get(name), Mapping)), "")
    state = found[within] if within else found
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UsageError(f"{path} holds a {type(state).__name__} that is no state_dict() of a module")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _own(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_BESIDE)}
