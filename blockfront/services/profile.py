"""Latency of one model on one target, without a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError, UsageError, first_line
from blockfront.results import NetworkFacts, Origin, Result
from blockfront.results.cost import Cost
from blockfront.results.description import described

if TYPE_CHECKING:
    from torch import nn

    from blockfront.console.progress import Advance, Progress
    from blockfront.design_space.models import Model
    from blockfront.targets import Means, Toolchain


def build_model(model: Model) -> tuple[nn.Module, Cost]:
    """The module as it is deployed, and its cost. Raises RunError when it does not run on the model's inputs."""
    from blockfront.blocks import deploy
    from blockfront.design_space import count_cost

    module = None
    try:
        module = model.whole()
        deployed = deploy(module)
        return deployed, count_cost(deployed, model.signature)
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


@dataclass(frozen=True)
class Ready:
    """A model as it is deployed, its cost, and what a toolchain made of it."""

    module: nn.Module
    cost: Cost
    prepared: Any


def prepare(model: Model, toolchain: Toolchain[Any, Any], options: Any, advance: Advance = lambda: None) -> Ready:
    """Build a model with the weights of seed 0, count it and make it ready, each of which advances.

    Raises RunError for one that does not run on its inputs, and as the toolchain does.
    """
    from blockfront.training import seeded

    with seeded(0):
        module, cost = build_model(model)
        advance()
        prepared = toolchain.prepare(module, model.signature, options, 0)
        advance()
    return Ready(module, cost, prepared)


def profile_model(model: Model, means: Means, progress: Progress) -> dict[str, Any]:
    """Prepare and time a model: a row's columns as far as they apply, with samples and kernels."""
    from blockfront.targets.latency.options import INT8
    from blockfront.targets.quantization import RANDOM_INPUTS

    with progress.stage("profile", 3) as advance:
        ready = prepare(model, means.toolchain, means.options, advance)
        latency = means.latency(ready.prepared)
        advance()
    plan = getattr(ready.module, "plan", None)
    network = NetworkFacts(None, None, "", model.signature.resolution)
    origin = Origin(None, latency.target, latency.runner, latency.toolchain, latency.threads, None, None)
    adapted = {} if plan is None else {"token_counts": plan.origin}
    if means.options.precision == INT8:
        adapted["int8"] = RANDOM_INPUTS
    result = Result(origin, "complete", network=network, cost=ready.cost, latency=latency, adapted=adapted)
    return {"model": model.name, "input": str(model.signature), **described(result)}
