"""A detector without some of its slots: what is left of its layers, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blockfront.anchors.slots import Slots
from blockfront.design_space import AnchorNetwork
from blockfront.design_space.detector_head import join_slots, slot_names
from blockfront.errors import UsageError


def slots_of(network: AnchorNetwork) -> Slots:
    """The slots of a detector's levels."""
    return Slots(network.head.counts)


def slot_of_rows(network: AnchorNetwork) -> NDArray[np.intp]:
    """The flat number of the slot of each anchor (boxes,)."""
    rows = [np.tile(list(level), side**2) for level, side in zip(slots_of(network).levels, network.maps, strict=True)]
    return np.concatenate(rows).astype(np.intp)


def pruned_network(network: AnchorNetwork, removed: Iterable[int]) -> AnchorNetwork:
    """The network without some slots, by flat number; raises `UsageError` for what its head cannot be without."""
    kept = slots_of(network).kept(removed)
    names = map(slot_names, network.head.slots)
    left = tuple(join_slots(level[place] for place in own) for level, own in zip(names, kept, strict=True))
    return replace(network, head=replace(network.head, slots=left))


def prune_detector(network: AnchorNetwork, module: nn.Module, removed: Iterable[int]) -> nn.Module:
    """A module of `pruned_network` with the weights of `module`, which is one of `network` and stays as it is.

    Of the last layers the channels of kept slots are copied; what only levels without slots needed is gone. Raises
    `UsageError` for a module of another network.
    """
    removed = slots_of(network).check(removed)
    kept = slots_of(network).kept(removed)
    first = next((level for level, own in enumerate(kept) if own), 0)
    old = module.state_dict()
    with torch.device("meta"):
        if {name: one.shape for name, one in network.build().state_dict().items()} != {
            name: one.shape for name, one in old.items()
        }:
            raise UsageError(f"the module is none of network {network.id}, whose slots are to be removed")
    new = pruned_network(network, removed).build()
    state: dict[str, Tensor] = {}
    for name, tensor in new.state_dict().items():
        own = old[name]
        if own.shape != tensor.shape:
            # head.own.<level>.<classes or boxes>.<layer>, or of shared layers, whose levels all keep the same.
            level = int(name.split(".")[2]) if name.startswith("head.own.") else first
            slots = own.unflatten(0, (network.head.counts[level], -1))
            own = slots[list(kept[level])].flatten(0, 1)
        state[name] = own
    new.load_state_dict(state)
    return new.train(module.training)
