"""Latency of one model on one target, without a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError, UsageError
from blockfront.results import NetworkFacts, Origin, Result
from blockfront.results.cost import Cost
from blockfront.results.description import described

if TYPE_CHECKING:
    from torch import nn

    from blockfront.console.progress import Progress
    from blockfront.services.models import Model
    from blockfront.targets import Options


def build_model(model: Model) -> tuple[nn.Module, Cost]:
    """The module as it is deployed, and its cost. Raises RunError when it does not run on the model's inputs."""
    from blockfront.blocks import deploy
    from blockfront.design_space import count_cost

    try:
        module = deploy(model.build())
        return module, count_cost(module, model.signature)
    except (UsageError, RunError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(
            f"{model.name} does not run at {model.signature.size}: {reason}; try another --resolution or --input"
        ) from error


def profile_model(model: Model, runner: str, options: Options, progress: Progress) -> dict[str, Any]:
    """Prepare and time a model: a row's columns as far as they apply, with samples and kernels."""
    from blockfront.targets import RUNNERS
    from blockfront.training import seeded

    with seeded(0), progress.stage("profile", 3) as advance:
        module, cost = build_model(model)
        advance()
        program = RUNNERS[runner].prepare(module, model.signature, options, 0)
        advance()
        latency = RUNNERS[runner].run(program, options)
        advance()
    plan = getattr(module, "plan", None)
    network = NetworkFacts(None, None, "", model.signature.resolution)
    threads = None if latency.coverage else latency.threads
    origin = Origin(None, latency.target, latency.runner, threads, None, None)
    result = Result(origin, "complete", network=network, cost=cost, latency=latency, token_counts=plan and plan.origin)
    return {"model": model.name, "input": str(model.signature), **described(result)}
