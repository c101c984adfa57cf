"""How a network is trained: every knob that changes the result, and a hash that stands for them all."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

from timm.optim import list_optimizers

from blockfront.digest import digest
from blockfront.errors import UsageError, unknown

Schedule = Literal["cosine", "linear", "constant"]


@dataclass(frozen=True)
class Recipe:
    """Optimiser, schedule, regularisation and augmentation of one training run.

    `optimizer` is any name of timm's. The learning rate climbs from 1 % of `lr` over the first `warmup` share
    of all steps, then follows `schedule` down to 1 % of `lr`, step by step. Weight decay spares biases and
    normalisation. `clip_grad` bounds the gradient's norm; None leaves it to the optimiser. `augment` scales
    geometric and colour augmentation (0 none, 1 the default); `auto_augment` is a policy of timm's such as
    `rand-m9-mstd0.5`, and `random_erasing` a probability, both for pictures only. `amp` computes in bfloat16
    where the device is CUDA. A value out of range raises `UsageError`.

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

    def __post_init__(self) -> None:
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
        }
        for name, (holds, allowed) in bounds.items():
            value = getattr(self, name)
            if not holds or (isinstance(value, float) and not math.isfinite(value)):
                raise UsageError(f"recipe: {name} must be {allowed}, not {value}")

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the recipe's canonical JSON (keys sorted, no spaces)."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return digest(text, 12)
