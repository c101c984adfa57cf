"""Weights of a pretrained network in one that differs from it in its classes, its image or its layer scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timm.layers import resample_abs_pos_embed
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from blockfront.training.weights import check_state

_SCALED = {"ls1": "attn.proj", "ls2": "mlp.fc2"}
"""timm's layer scales, and the layers whose outputs they multiply."""


def transfer(module: nn.Module, state: Mapping[str, Tensor], model: str, origin: str) -> None:
    """Give a timm network the weights `state` of timm's `model`, and what that says of how images are prepared.

    Its classifier stays as it is where there is none of as many classes in `state`; positions are resampled to the
    module's image as timm does it; a layer scale that it has not is multiplied into the layer before, which computes
    the same. Of a transformer whose tokens are reduced it is the backbone that gets them. Raises `UsageError` that
    names their `origin` for weights that do not fit.
    """
    network: Any = getattr(module, "backbone", module)
    own = network.state_dict()
    given = _without_layer_scale(state, own)
    if "pos_embed" in own and "pos_embed" in given:
        given["pos_embed"] = _positions(network, given["pos_embed"])
    head = _classifier(network)
    for name in [name for name in {**own, **given} if head is not None and name.startswith(head)]:
        if name not in own:
            del given[name]
        elif name not in given or given[name].shape != own[name].shape:
            given[name] = own[name]
    check_state(given, own, origin)
    network.load_state_dict(given)
    if not getattr(network, "pretrained_cfg", None) and (known := get_pretrained_cfg(model)) is not None:
        network.pretrained_cfg = known.to_dict()


def _without_layer_scale(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    given = dict(state)
    for name in state:
        block, _, scale = name.removesuffix(".gamma").rpartition(".")
        if name in own or not name.endswith(".gamma") or scale not in _SCALED:
            continue
        gamma, layer = given.pop(name), f"{block}.{_SCALED[scale]}"
        given[f"{layer}.weight"] = given[f"{layer}.weight"] * gamma[:, None]
        given[f"{layer}.bias"] = given[f"{layer}.bias"] * gamma
    return given


def _positions(network: Any, positions: Tensor) -> Tensor:
    if positions.shape == network.pos_embed.shape:
        return positions
    grid = list(network.patch_embed.grid_size)
    return resample_abs_pos_embed(positions, grid, num_prefix_tokens=network.num_prefix_tokens)


def _classifier(network: Any) -> str | None:
    """How the names of its classifier's tensors begin; None for a network that names none."""
    if not hasattr(network, "get_classifier"):
        return None
    found = network.get_classifier()
    return next((f"{name}." for name, one in network.named_modules() if one is found), None)
