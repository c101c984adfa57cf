"""From the network that is trained to the network that runs."""

from __future__ import annotations

import copy

from timm.models import reparameterize_model
from torch import Tensor, nn

from blockfront.evaluation import in_evaluation

_FUSED = "_branches_are_fused"


def deploy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode with re-parameterisable branches fused into single convolutions.

    The module given is left as it is. Outputs agree with it, in evaluation mode, up to rounding.
    """
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }  # Such as a pruned layer's weight; torch copies what it was computed from, and not it.
    return fuse_branches(copy.deepcopy(module, dict(computed)))


def fuse_branches(module: nn.Module) -> nn.Module:
    """`deploy` without the copy: changes `module` and returns it; what is fused already stays as it is."""
    if not getattr(module, _FUSED, False):
        # timm fuses children only, so the module is made a child.
        module = reparameterize_model(nn.Sequential(in_evaluation(module)), inplace=True)[0]
        setattr(module, _FUSED, True)
    return in_evaluation(module)
