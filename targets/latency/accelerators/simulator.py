"""What ZigZag says of one layer, kept by content so that each distinct layer is simulated once."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from blockfront.content_store import ContentStore, cache_folder
from blockfront.errors import RunError
from blockfront.targets.hardware.accelerator import Accelerator
from blockfront.targets.hardware.zigzag_files import Description, load_model, quiet, zigzag_version
from blockfront.targets.latency.accelerators.layers import Layer

_LIMIT_BYTES = 256 * 1024**2
"""Some 65,000 layers, each a block of the disk."""
_SPATIAL_MAPPINGS = 3
"""Spatial mappings tried where the mapping file leaves the choice; ZigZag's default."""


class LayerCost(msgspec.Struct, frozen=True):
    """One execution of a layer: data from the outermost memory and back to it."""

    cycles: float
    energy_pj: float


def layer_cost(layer: Layer, accelerator: Accelerator, description: Description) -> LayerCost:
    """The cost of a layer in the fastest mapping that ZigZag finds, from the cache where it is there.

    Raises `RunError` when ZigZag finds no mapping.
    """
    store = ContentStore(cache_folder() / "simulations", _LIMIT_BYTES)
    figures = layer, description, accelerator.bits, accelerator.loops, zigzag_version(), _rules_version()
    key = hashlib.sha256(msgspec.json.encode(figures)).hexdigest()
    try:
        return msgspec.json.decode(store.read(key), type=LayerCost)
    except (OSError, msgspec.DecodeError):
        cost = simulate(layer, accelerator, description)
        store.write(key, msgspec.json.encode(cost))
        return cost


def simulate(layer: Layer, accelerator: Accelerator, description: Description) -> LayerCost:
    """The same without the cache: the stages of ZigZag's own interface, less those that print, draw and save."""
    from zigzag.mapping.temporal_mapping import TemporalMappingType
    from zigzag.parser.workload_factory import LayerNodeFactory
    from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
    from zigzag.stages.main import MainStage
    from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
    from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage
    from zigzag.stages.results.reduce_stages import MinimalLatencyStage

    model = load_model(description, accelerator.name)
    # The least latency of all temporal mappings of a spatial one, then of all spatial ones.
    stages = [
        MinimalLatencyStage,
        SpatialMappingGeneratorStage,
        MinimalLatencyStage,
        TemporalMappingGeneratorStage,
        CostModelStage,
    ]
    try:
        with quiet():
            pipeline = MainStage(
                stages,
                layer=LayerNodeFactory(layer.loops(accelerator.bits), model.mapping).create(),
                accelerator=model.accelerator,
                loma_lpf_limit=accelerator.loops,
                loma_show_progress_bar=False,
                nb_mappings_generated=_SPATIAL_MAPPINGS,
                enable_mix_spatial_mapping_generation=False,
                access_same_data_considered_as_no_access=True,
                temporal_mapping_type=TemporalMappingType.UNEVEN,
            )
            ((found, _),) = pipeline.run()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(
            f"ZigZag cannot map {layer.name} onto {accelerator.name}: {type(error).__name__}: {reason}"
        ) from error
    return LayerCost(cycles=float(found.latency_total2), energy_pj=float(found.energy_total))


@cache
def _rules_version() -> str:
    """A hash of the sources that turn a layer into a cost."""
    digest = hashlib.sha256()
    for name in ("layers", "simulator"):
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()
