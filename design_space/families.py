"""Families of known networks: which architecture they are of."""

from __future__ import annotations

import re

from blockfront.design_space.file_reference import file_of, stem_of

_SEVERAL = ("efficientnet", "byobnet", "byoanet")
"""Modules of timm that hold several architectures, which names tell apart."""


def family_of_model(name: str) -> str:
    """The architecture of a model by its name: the module of timm or torchvision that defines it.

    Where a module of timm defines many, the first word of the name, without who trained it. A file's is its own name,
    whatever that says of an architecture.

    >>> family_of_model("mobilenetv3_small_100"), family_of_model("tf_efficientnet_lite0"), family_of_model("repvgg_a0")
    ('mobilenetv3', 'efficientnet', 'repvgg')
    """
    if name.startswith("torchvision:"):
        from torchvision import models

        return _module(models.get_model_builder(name.removeprefix("torchvision:")))
    if (file := file_of(name)) is not None:
        return stem_of(file)
    import timm

    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        return architecture
    module = _module(timm.model_entrypoint(architecture))
    if module not in _SEVERAL:
        return module
    match = re.match(r"(?:tf_|gc_|eca_)?([a-z]+(?:(?<=v)\d)?)", architecture)
    return match[1] if match else module


def _module(function: object) -> str:
    return function.__module__.rpartition(".")[2]
