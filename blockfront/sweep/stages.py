"""The work of a sweep on one network, as functions that a worker process runs. They hold no study."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.errors import RunError
from blockfront.python_file import import_file
from blockfront.sweep.quantizing import INT8, Quantization, quantize_trained

if TYPE_CHECKING:
    from torch import nn

    from blockfront.design_space import Network
    from blockfront.results import Training
    from blockfront.results.postprocess import BoxCandidates
    from blockfront.sweep.anchor_search import Leftover
    from blockfront.targets import Means, Measures, Visit
    from blockfront.training import Dataset, Recipe


@dataclass(frozen=True)
class Job:
    """One network to work on, by id and text. `files` of the user's own may define its blocks and its task.

    `artefact` is what its adaptation found, as JSON, where it has one and was trained. For int8 `quantize` says
    how a trained network becomes it, and `quantization` is the artefact of how it did, as JSON. `prune` is the AP that
    a trained detector may lose with anchors.
    """

    network_id: str
    network: str
    seed: int
    threads: int
    files: tuple[str, ...] = ()
    artefact: dict[str, Any] | None = None
    quantize: str | None = None
    quantization: dict[str, Any] | None = None
    prune: float | None = None


@dataclass(frozen=True)
class Compiled:
    """A network as a toolchain prepared it, such as a compiled program, and what else is known of it: parts of a
    `Result` by name."""

    program: Any
    facts: dict[str, Any]


def profile_network(job: Job, means: Means) -> dict[str, Any]:
    """Count, prepare and predict a network, which needs no quiet: cost and latency."""
    from blockfront.training import seeded

    with seeded(job.seed, job.threads):
        compiled = _prepare(job, means)
        latency = means.latency(compiled.program)
    return {**compiled.facts, "latency": latency}


def compile_network(job: Job, means: Means) -> Compiled:
    """Count, prepare and verify a network that is measured later, alone."""
    from blockfront.targets import Program
    from blockfront.training import seeded

    with seeded(job.seed, job.threads):
        compiled = _prepare(job, means)
    if isinstance(compiled.program, Program):
        # While others compile too, not while it is measured.
        _ = compiled.program.library.content
    return compiled


def visit(compiled: Compiled, meter: Measures, options: Any) -> Visit:
    """One visit's raw samples. Nothing else may run on the measured processor."""
    return meter.visit(compiled.program, options)


def finish(compiled: Compiled, meter: Measures, options: Any, visits: tuple[Visit, ...]) -> dict[str, Any]:
    """Cost and latency from all visits."""
    return {**compiled.facts, "latency": meter.finish(compiled.program, options, visits)}


@dataclass(frozen=True)
class Trained:
    """What one training found, as parts of a `Result` by name, and its weights as a safetensors file if asked for.

    `checkpoint` is what to delete, on the machine that trained, once that is kept. `leftovers` are of a detector
    without some of its anchors.
    """

    parts: dict[str, Any]
    weights: bytes | None
    checkpoint: Path
    leftovers: tuple[Leftover, ...] = ()


@dataclass(frozen=True)
class FloatTraining:
    """A training in float32 that is done, and its weights as a safetensors file, which was read from `origin`."""

    training: Training
    weights: bytes
    origin: str


def train_network(
    job: Job,
    dataset: Dataset,
    recipe: Recipe,
    device: str,
    keep: bool = False,
    means: Means | None = None,
    until: int | None = None,
    done: FloatTraining | None = None,
) -> Trained:
    """Train a network from its recipe's weights, else from scratch, and test it: its `trainings`, and its
    `adaptations` where it has one.

    The weights and the order of images have the job's seed. An interrupted training goes on from its last epoch, if it
    was on this machine. With `until` it stops after that epoch, without scores. What is `done` is not trained, but
    goes on from its weights: to int8, say. With `means`, which are for what follows a detector, it has its
    `candidates`, and its `postprocess` where they predict.
    """
    from blockfront.sweep.adapting import as_adapted, train_and_adapt
    from blockfront.sweep.anchor_search import prune_trained
    from blockfront.sweep.postprocessing import record_candidates, time_postprocess
    from blockfront.targets.quantization import integer_form, quantizer_tensors
    from blockfront.tasks import TASKS
    from blockfront.training import fed, give_weights, seeded, train
    from blockfront.training.checkpoint import checkpoint_path
    from blockfront.training.preparing import preparation_of
    from blockfront.training.weights import pack_weights, unpack_weights

    checkpoint = checkpoint_path(job.network_id, recipe.hash, dataset.ref, dataset.fingerprint, job.seed)
    with seeded(job.seed, job.threads):
        network: Any = _network(job)
        module: Any = network.build()
        if recipe.weights is not None:
            give_weights(module, recipe.weights)
        where: dict[str, Any] = {"device": device, "threads": job.threads, "seed": job.seed}
        where["resolution"] = network.signature.resolution
        if done is not None:
            unpack_weights(module, done.weights, done.origin)
            parts: dict[str, Any] = {"trainings": (done.training,)}
        elif network.adaptation is not None:
            parts = train_and_adapt(module, network.adaptation, dataset, recipe, where, checkpoint)
        else:
            # What is minimised where that is more than the task's criterion, such as losses of auxiliary heads.
            loss = getattr(module, "loss", None)
            parts = {
                "trainings": (train(module, dataset, recipe, loss=loss, checkpoint=checkpoint, until=until, **where),)
            }
        quantizer = None
        if job.quantize is not None and until is None:
            scored = as_adapted(network, module, parts)
            parts, quantizer = quantize_trained(scored, network, dataset, recipe, job.quantize, where, parts)
        leftovers: tuple[Leftover, ...] = ()
        if job.prune is not None and until is None:
            parts, leftovers = prune_trained(network, module, dataset, job.prune, where, parts, means is not None, keep)
        if TASKS[network.task].places == "boxes" and means is not None and until is None:
            scored = as_adapted(network, module, parts)
            with fed(module, dataset, **{**where, "device": "cpu"}) as feed:
                parts["candidates"] = record_candidates(scored, feed.test())
            if means.measures is None:
                parts["postprocess"] = time_postprocess(scored, parts["candidates"], means)
        if not keep or until is not None:
            return Trained(parts, None, checkpoint, leftovers)
        with fed(module, dataset, **{**where, "device": "cpu"}) as feed:
            prepared = {"preparation": preparation_of(feed)}
    facts = {"network": job.network, "network_id": job.network_id, "recipe": recipe, **prepared, **parts}
    beside = None
    if quantizer is not None:
        facts[INT8], beside = integer_form(quantizer), quantizer_tensors(quantizer)
    return Trained(parts, pack_weights(module, facts, beside), checkpoint, leftovers)


def postprocess_network(job: Job, candidates: BoxCandidates, means: Means) -> dict[str, Any]:
    """Time what follows a detector that left these candidates: its `postprocess`."""
    from blockfront.sweep.postprocessing import time_postprocess
    from blockfront.targets.compiler.threads import use_threads
    from blockfront.training import seeded

    use_threads(job.threads)
    with seeded(job.seed, job.threads):
        return {"postprocess": time_postprocess(_network(job).build(), candidates, means)}


def deployed(job: Job) -> tuple[Network, nn.Module, Any]:
    """A job's network, the module of it that is deployed, and the artefact of its adaptation, if any."""
    network = _network(job)
    adaptation, artefact = network.adaptation, None
    if adaptation is not None and job.artefact is not None:
        artefact = msgspec.convert(job.artefact, adaptation.artefact)
    return network, network.deployed(artefact), artefact


def _prepare(job: Job, means: Means) -> Compiled:
    from blockfront.design_space.known import KnownNetwork
    from blockfront.sweep.kept_int8 import deployed_int8, holds_int8, int8_origin
    from blockfront.targets.compiler.threads import use_threads
    from blockfront.targets.quantization import RANDOM_INPUTS, quantize_untrained

    use_threads(job.threads)
    settle()
    network, module, artefact = deployed(job)
    facts: dict[str, Any] = {"cost": network.cost_of(module, artefact)}
    if network.adaptation is not None:
        facts["adapted"] = {network.adaptation.name: network.adaptation.origin(artefact)}
    if means.options.precision == INT8:
        found = None if job.quantization is None else msgspec.convert(job.quantization, Quantization)
        file = network.model.weights if isinstance(network, KnownNetwork) else None
        origin = RANDOM_INPUTS if found is None else found.origin
        if file is not None and holds_int8(file):
            module, origin = deployed_int8(file, network.signature), int8_origin(file)
        elif found is not None and found.float_layers:
            module = quantize_untrained(module, network.signature, job.seed, found.float_layers)
        facts["adapted"] = {**facts.get("adapted", {}), INT8: origin}
    program = means.prepare(module, network.signature, job.seed)
    return Compiled(program, facts)


@cache
def settle() -> None:
    """Once the libraries are imported: Python's collector need not walk their million objects again and again."""
    gc.collect()
    gc.freeze()


def _network(job: Job) -> Network:
    from blockfront.design_space import Network

    for file in job.files:
        import_file(file)
    network = Network.parse(job.network)
    if network.id != job.network_id:
        raise RunError(f"{network} no longer means what it meant: its file, or a block's defaults, changed since then")
    return network
