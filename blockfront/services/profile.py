"""Latency of one model on one target, without a study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from blockfront.errors import UsageError
from blockfront.results import NetworkFacts, Origin, Result
from blockfront.results.cost import Cost
from blockfront.results.description import described
from blockfront.services.deployed import build_model

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from blockfront.console.progress import Advance, Progress
    from blockfront.design_space.models import Model
    from blockfront.results.postprocess import Postprocess
    from blockfront.targets import Means, Toolchain
    from blockfront.training import Dataset

_BATCH = 16
"""Images at once while a detector's outputs are recorded: those of large ones take 100 MB each."""


@dataclass(frozen=True)
class Ready:
    """A model as it is deployed, its cost, and what a toolchain made of it."""

    module: nn.Module
    cost: Cost
    prepared: Any


def prepare(
    model: Model, toolchain: Toolchain[Any, Any], options: Any, advance: Advance = lambda: None, batch: int = 1
) -> Ready:
    """Build a model with the weights of seed 0, count it and make it ready for `batch` images at once; each advances.

    The cost is an image's. For int8 it is the network that the model's file of weights has in int8, if it has one.
    Raises RunError for one that does not run on its inputs, and as the toolchain does.
    """
    from blockfront.sweep.kept_int8 import deployed_int8
    from blockfront.training import seeded

    with seeded(0):
        module, cost = build_model(model)
        file = _int8_file(model, options)
        runs = module if file is None else deployed_int8(file, model.signature)
        advance()
        prepared = toolchain.prepare(runs, model.signature.batched(batch), options, 0)
        advance()
    return Ready(module, cost, prepared)


def profile_model(
    model: Model, means: Means, progress: Progress, dataset: Dataset | None = None, batch: int = 1
) -> dict[str, Any]:
    """Prepare and time a model: a row's columns as far as they apply, with samples and kernels.

    On a `dataset` a trained detector's post-processing is timed as well. Raises `UsageError` for anything else, and for
    a batch that is not measured, as models of cores are judged on single images, or is to be post-processed.
    """
    from blockfront.design_space.known import boxes_of
    from blockfront.sweep.kept_int8 import int8_origin
    from blockfront.targets.latency.options import INT8
    from blockfront.targets.quantization import RANDOM_INPUTS

    if batch != 1 and means.measures is None:
        raise UsageError(
            f"--batch is for what is measured, and runner {means.meter.name} finds the time of one image without "
            "running it: leave --batch out, or measure on this machine or a board"
        )
    if batch != 1 and dataset is not None:
        raise UsageError("post-processing is timed of one image: leave --batch or --dataset out")
    postprocess = None if dataset is None else profile_boxes(model, means, dataset, progress)
    with progress.stage("profile", 3) as advance:
        ready = prepare(model, means.toolchain, means.options, advance, batch)
        latency = replace(means.latency(ready.prepared), batch=batch)
        advance()
    # What deploys a network may have it inside.
    plans = (getattr(part, "plan", None) for part in ready.module.modules())
    plan = next((one for one in plans if one is not None), None)
    network = NetworkFacts(None, None, "", model.signature.resolution, boxes=boxes_of(model))
    origin = Origin(None, latency.target, latency.runner, latency.toolchain, latency.threads, None, None)
    adapted = {} if plan is None else {"token_counts": plan.origin}
    if means.options.precision == INT8:
        file = _int8_file(model, means.options)
        adapted[INT8] = RANDOM_INPUTS if file is None else int8_origin(file)
    result = Result(
        origin,
        "complete",
        network=network,
        cost=ready.cost,
        latency=latency,
        adapted=adapted,
        postprocess=postprocess,
    )
    return {"model": model.name, "input": str(model.signature), **described(result)}


def _int8_file(model: Model, options: Any) -> Path | None:
    """The file that has a model in int8, where it is to be prepared in that."""
    from blockfront.sweep.kept_int8 import holds_int8
    from blockfront.targets.latency.options import INT8

    return model.weights if options.precision == INT8 and holds_int8(model.weights) else None


def profile_boxes(model: Model, means: Means, dataset: Dataset, progress: Progress) -> Postprocess:
    """Time what follows a detector with trained weights, on what it finds on the test images of a data set.

    Raises `UsageError` for what is none, for a data set that it is not for, and for hardware that runs no such code.
    """
    from blockfront.design_space import AnchorNetwork, Network
    from blockfront.services.trained_detector import TrainedDetector
    from blockfront.sweep.postprocessing import NO_CODE, means_of_boxes, record_candidates, time_postprocess
    from blockfront.tasks import DETECTION
    from blockfront.training import fed, load_weights, weights_facts

    network = None if model.network is None else Network.parse(model.network)
    if model.weights is None or not (isinstance(network, AnchorNetwork) or model.name.startswith("torchvision:")):
        raise UsageError(
            "--dataset is for a trained detector, whose post-processing depends on what it finds: give "
            "the .safetensors file of its weights, or torchvision's detector with --weights"
        )
    timed = means_of_boxes(means)
    if timed is None:
        raise UsageError(NO_CODE.format(means.options.target.name))
    if isinstance(network, AnchorNetwork):
        detector = TrainedDetector(network, model.weights)
        detector.check_dataset(dataset)
        module = detector.build()
        if network.adaptation is not None:
            artefact = network.artefact_in(weights_facts(model.weights))
            module = network.adaptation.adapt(module, artefact)
    else:
        module = model.whole()
        if not hasattr(module, "decoding") or dataset.task != DETECTION:
            raise UsageError(f"--dataset is for detectors and their data, not for {model.name} and {dataset.ref}")
        load_weights(module, model.weights)
    with (
        progress.stage("detect", 1) as advance,
        fed(module, dataset, resolution=model.signature.resolution, device="cpu") as feed,
    ):
        candidates = record_candidates(module, feed.test(_BATCH))
        advance()
    return time_postprocess(module, candidates, timed)
