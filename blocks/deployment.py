"""From the network that is trained to the network that runs."""

from __future__ import annotations

import copy

from timm.models import reparameterize_model
from torch import nn


def deploy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode with re-parameterisable branches fused into single convolutions.

    The module given is left as it is. Outputs agree with it, in evaluation mode, up to rounding.
    """
    return fuse_branches(copy.deepcopy(module))


def fuse_branches(module: nn.Module) -> nn.Module:
    """`deploy` without the copy: changes `module` and returns it."""
    # timm fuses children only, so the module is made a child.
    return reparameterize_model(nn.Sequential(module.eval()), inplace=True)[0].eval()
