"""The work of a sweep on one network, as functions that a worker process runs. They hold no study."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from bench.errors import RunError
from bench.python_file import import_file, is_file_reference

if TYPE_CHECKING:
    from bench.design_space import Network
    from bench.targets import Options, Visit
    from bench.training import Dataset, Recipe


@dataclass(frozen=True)
class Job:
    """One network to work on, by id and text. `space` is its space, whose file may define its blocks."""

    network_id: str
    network: str
    space: str
    seed: int
    threads: int


@dataclass(frozen=True)
class Compiled:
    """A network as its runner prepared it, such as a compiled program, with its cost."""

    program: Any
    cost: dict[str, int]


def profile_network(job: Job, runner: str, options: Options) -> dict[str, Any]:
    """Count, prepare and time a network with a runner that needs no quiet: cost and latency."""
    from bench.targets import RUNNERS
    from bench.training import seeded

    with seeded(job.seed, job.threads):
        compiled = _prepare(job, runner, options)
        latency = RUNNERS[runner].run(compiled.program, options)
    return {"cost": compiled.cost, "latency": msgspec.to_builtins(latency)}


def compile_network(job: Job, runner: str, options: Options) -> Compiled:
    """Count, compile and verify a network for a runner that measures later, alone."""
    from bench.training import seeded

    with seeded(job.seed, job.threads):
        return _prepare(job, runner, options)


def visit(compiled: Compiled, runner: str, options: Options) -> Visit:
    """One visit's raw samples. Nothing else may run on the measured processor."""
    from bench.targets import RUNNERS

    return RUNNERS[runner].visit(compiled.program, options)


def finish(compiled: Compiled, runner: str, options: Options, visits: tuple[Visit, ...]) -> dict[str, Any]:
    """Cost and latency, as JSON, from all visits."""
    from bench.targets import RUNNERS

    latency = RUNNERS[runner].finish(compiled.program, options, visits)
    return {"cost": compiled.cost, "latency": msgspec.to_builtins(latency)}


def train_network(job: Job, dataset: Dataset, recipe: Recipe, device: str) -> dict[str, Any]:
    """Train a network from scratch and test it: its accuracy as JSON."""
    from bench.blocks.tokens import ReducedTransformer
    from bench.training import seeded, train

    with seeded(job.seed, job.threads):
        network = _network(job)
        module = network.build()
        accuracy = train(
            module,
            dataset,
            recipe,
            loss=module.loss if isinstance(module, ReducedTransformer) else None,
            resolution=network.resolution,
            device=device,
            threads=job.threads,
            seed=job.seed,
        )
    return {"accuracy": msgspec.to_builtins(accuracy)}


def _prepare(job: Job, runner: str, options: Options) -> Compiled:
    from bench.blocks.deployment import fuse_branches
    from bench.targets import RUNNERS
    from bench.targets.threads import use_threads

    network = _network(job)
    use_threads(job.threads)
    _settle()
    program = RUNNERS[runner].prepare(fuse_branches(network.build()), network.resolution, options, job.seed)
    return Compiled(program, msgspec.to_builtins(network.cost))


@cache
def _settle() -> None:
    """Once the libraries are imported: Python's collector need not walk their million objects again and again."""
    gc.collect()
    gc.freeze()


def _network(job: Job) -> Network:
    from bench.design_space import Network

    if is_file_reference(job.space):
        # The file may register the blocks that the network is made of.
        import_file(job.space.rpartition(":")[0])
    network = Network.parse(job.network)
    if network.id != job.network_id:
        raise RunError(f"{job.space} no longer means what it meant: a block's defaults changed since the sampling")
    return network
