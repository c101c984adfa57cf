"""How a network is trained: every knob that changes the result, and a hash that stands for them all."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Literal, get_args, get_type_hints

import msgspec
from timm.optim import list_optimizers

from blockfront.digest import digest
from blockfront.errors import UsageError, unknown

_LATER = ("images", "mixup", "cutmix", "ema", "layer_decay", "channels_last", "compile", "weights")

Schedule = Literal["cosine", "linear", "constant"]
_KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}


@cache
def _types() -> dict[str, Any]:
    return get_type_hints(Recipe)


def convert_field(name: str, value: Any, *, strict: bool) -> Any:
    """A value as a field of `Recipe` has it, from text too where that is not `strict`; raises `UsageError`."""
    wanted = _types()[name]
    if wanted is Schedule:
        wanted = str
    try:
        return msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as error:
        *others, last = (_KINDS.get(kind, "None") for kind in get_args(wanted) or (wanted,))
        kinds = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"recipe: {name} must be {kinds}, not {value!r}") from error


@dataclass(frozen=True)
class Recipe:
    """Optimiser, schedule, regularisation and augmentation of one training run.

    `optimizer` is any name of timm's. The learning rate climbs from 1 % of `lr` over the first `warmup` share
    of all steps, then follows `schedule` down to 1 % of `lr`, step by step. Weight decay spares biases and
    normalisation. `clip_grad` bounds the gradient's norm; None leaves it to the optimiser. `augment` scales
    geometric and colour augmentation (0 none, 1 the default); `auto_augment` is a policy of timm's such as
    `rand-m9-mstd0.5`, and `random_erasing` a probability. `amp` computes in bfloat16 where torch's autocast does.

    `images` bounds the training images: that many, evenly spaced over the data set, or all where it has fewer.
    `mixup` and `cutmix` are the alphas of Zhang et al. 2018 (arXiv:1710.09412) and Yun et al. 2019 (arXiv:1905.04899),
    0 for none. `ema` is the decay of an average of the weights, which is what is scored and kept; None for none.
    `layer_decay` scales the learning rate down from each layer to the one before it. `channels_last` is the order of
    images in memory; `compile` has torch.compile make the network's code, which needs a C++ compiler on a processor.
    `weights` are pretrained ones to start from, by a name of `PRETRAINED` or `timm:NAME`; None for random ones.
    A value out of range raises `UsageError`.

    The defaults suit some hundred steps on small images: LAMB's step, bounded layer by layer, serves networks
    with and without batch normalisation at one learning rate (You et al. 2020, arXiv:1904.00962).
    """

    optimizer: str = "lamb"
    lr: float = 0.01
    weight_decay: float = 0.02
    momentum: float = 0.9
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    batch_size: int = 32
    epochs: int = 4
    label_smoothing: float = 0.1
    clip_grad: float | None = None
    augment: float = 1.0
    auto_augment: str | None = None
    random_erasing: float = 0.0
    amp: bool = False
    images: int | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    ema: float | None = None
    layer_decay: float | None = None
    channels_last: bool = True
    compile: bool = False
    weights: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            convert_field(field.name, getattr(self, field.name), strict=True)
        for field in fields(self):
            # 1 and 1.0 are one recipe, so they must be one text in the hash
            if "float" in str(field.type) and isinstance(value := getattr(self, field.name), int):
                object.__setattr__(self, field.name, float(value))
        if self.optimizer not in list_optimizers():
            listing = "take one that timm.optim.list_optimizers() gives"
            raise unknown("optimizer", self.optimizer, list_optimizers(), otherwise=listing)
        if self.schedule not in get_args(Schedule):
            raise unknown("schedule", self.schedule, get_args(Schedule))
        bounds = {
            "lr": (self.lr > 0, "above 0"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
            "momentum": (0 <= self.momentum < 1, "from 0 to below 1"),
            "warmup": (0 <= self.warmup < 1, "from 0 to below 1"),
            "batch_size": (self.batch_size >= 2, "2 or more"),
            "epochs": (self.epochs >= 1, "1 or more"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "from 0 to below 1"),
            "clip_grad": (self.clip_grad is None or self.clip_grad > 0, "above 0, or None"),
            "augment": (0 <= self.augment <= 2, "from 0 to 2"),
            "random_erasing": (0 <= self.random_erasing <= 1, "from 0 to 1"),
            "images": (self.images is None or self.images >= 2, "2 or more, or None"),
            "mixup": (self.mixup >= 0, "0 or more"),
            "cutmix": (self.cutmix >= 0, "0 or more"),
            "ema": (self.ema is None or 0 < self.ema < 1, "between 0 and 1, or None"),
            "layer_decay": (self.layer_decay is None or 0 < self.layer_decay <= 1, "above 0 and up to 1, or None"),
        }
        for name, (holds, allowed) in bounds.items():
            value = getattr(self, name)
            if not holds or (isinstance(value, float) and not math.isfinite(value)):
                raise UsageError(f"recipe: {name} must be {allowed}, not {value}")
        if self.mixes and self.batch_size % 2:
            raise UsageError(f"recipe: mixup and cutmix want an even batch_size, not {self.batch_size}")

    @property
    def mixes(self) -> bool:
        """Whether training images are mixed in pairs."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that are not at their defaults."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the recipe's canonical JSON (keys sorted, no spaces).

        Fields that came later are left out where they change nothing, so that older hashes stay what they were.
        """
        changes = self.changes
        told = {name: value for name, value in asdict(self).items() if name not in _LATER or name in changes}
        return digest(json.dumps(told, sort_keys=True, separators=(",", ":")), 12)
