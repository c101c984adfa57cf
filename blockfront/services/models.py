"""What `bench profile` takes: a timm or torchvision name, a factory in a file, a network's text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.errors import UsageError, unknown
from blockfront.python_file import is_file_reference, load_object

if TYPE_CHECKING:
    from torch import nn

DEFAULT_RESOLUTION = 224
_TAKEN = "give a timm name, torchvision:NAME, file.py:factory or a network's text"


@dataclass(frozen=True)
class Model:
    """A network to profile: its name, how to build it, and its input size in pixels."""

    name: str
    build: Callable[[], nn.Module]
    resolution: int


def find_model(ref: str, resolution: int | None = None, reduction: Path | None = None) -> Model:
    """The model `ref` means: a network's text, `file.py:factory`, `torchvision:NAME` or a timm name.

    Without `resolution` the size is the model's own, 224 where it states none. Weights are random, which does
    not change the latency. `reduction` is a file of `bench tokens`, and the model a transformer that it reduces.
    Raises UsageError for what is none of these, with near names.
    """
    if reduction is not None:
        plain = find_model(ref, resolution)
        return Model(f"{ref} reduced by {reduction.name}", lambda: _reduced(plain, reduction), plain.resolution)
    if resolution is not None and resolution < 1:
        raise UsageError(f"--resolution must be 1 or more, not {resolution}")
    if is_file_reference(ref):
        return Model(ref, _from_file(ref), resolution or DEFAULT_RESOLUTION)
    if ref.startswith("torchvision:"):
        return _from_torchvision(ref.removeprefix("torchvision:"), resolution)
    if "/" in ref:
        return _from_text(ref, resolution)
    return _from_timm(ref, resolution)


def _reduced(plain: Model, reduction: Path) -> nn.Module:
    from blockfront.blocks.tokens import load_reduction

    module = load_reduction(plain.build(), reduction)
    if module.method == "ltmp" and module.plan is None:
        raise UsageError(f"{reduction} leaves every image another number of tokens; run bench tokens calibrate on it")
    return module


def _from_text(text: str, resolution: int | None) -> Model:
    from dataclasses import replace

    from blockfront.design_space import Network

    network = Network.parse(text)
    if resolution is not None:
        network = replace(network, resolution=resolution)
    return Model(str(network), network.deployed, network.resolution)


def _from_timm(name: str, resolution: int | None) -> Model:
    import timm

    if not timm.is_model(name):
        raise unknown("model", name, timm.list_models(), otherwise=_TAKEN)
    size = timm.get_pretrained_cfg(name, allow_unregistered=True)
    own = size.input_size[-1] if size is not None else DEFAULT_RESOLUTION
    return Model(name, lambda: timm.create_model(name, pretrained=False), resolution or own)


def _from_torchvision(name: str, resolution: int | None) -> Model:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise unknown("torchvision model", name, known, otherwise=_TAKEN)
    own = DEFAULT_RESOLUTION
    for weights in models.get_model_weights(name):
        own = int(getattr(weights.transforms(), "crop_size", [own])[0])
    return Model(f"torchvision:{name}", lambda: models.get_model(name, weights=None), resolution or own)


def _from_file(ref: str) -> Callable[[], nn.Module]:
    """The factory of a Python file, checked to give a module."""
    from torch import nn

    built = load_object(ref, callable, "function")
    try:
        module = built()
    except Exception as error:
        raise UsageError(f"{ref}() fails: {type(error).__name__}: {' '.join(str(error).split())}") from error
    if not isinstance(module, nn.Module):
        raise UsageError(f"{ref}() gives a {type(module).__name__}, not a torch.nn.Module")
    return lambda: module
