"""A model as it is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockfront.errors import RunError, UsageError, first_line
from blockfront.results.cost import Cost

if TYPE_CHECKING:
    from torch import nn

    from blockfront.design_space.models import Model


def build_model(model: Model) -> tuple[nn.Module, Cost]:
    """The module as it is deployed, and its cost. Raises RunError when it does not run on the model's inputs."""
    from blockfront.blocks import deploy
    from blockfront.design_space.known import cost_of_model

    module = None
    try:
        module = model.whole()
        deployed = deploy(module)
        return deployed, cost_of_model(model, deployed)
    except (UsageError, RunError):
        raise
    except Exception as error:
        if formats := _other_formats(module):
            raise RunError(f"{model.name} has weights in {formats}: convert it to float32 by .float()") from error
        reason = " ".join(first_line(error).split())[:300]
        raise RunError(f"{model.name} does not run at {model.signature.size}: {reason}") from error


def _other_formats(module: nn.Module | None) -> str:
    """The number formats of weights that are not float32, in words."""
    tensors = [] if module is None else [*module.parameters(), *module.buffers()]
    found = {str(one.dtype).removeprefix("torch.") for one in tensors if one.is_floating_point()}
    return " and ".join(sorted(found - {"float32"}))
