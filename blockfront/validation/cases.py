"""Which published rows a prediction can be made for, and why not for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blockfront.targets.latency.prediction.core_models import model_name
from blockfront.targets.latency.prediction.guides import GUIDES
from blockfront.validation.devices import Placement, placement_of
from blockfront.validation.ncnn_networks import NETWORKS, BenchmarkNetwork
from blockfront.validation.published import Published

# Cores that compute in fp16.
_HALF = ("cortex-a55", "cortex-a75", "cortex-a76", "cortex-a77", "cortex-a78", "cortex-a78ae", "cortex-x1")
# ncnn multiplies bytes by dot products since December 2021; this table is of a version before, on cores that have them.
_BEFORE_DOT_PRODUCTS = {"Station P2": "August 2021"}


@dataclass(frozen=True)
class Case:
    """A published time of a network on cores whose model has the name `core`; `half`: ncnn may use fp16."""

    published: Published
    placement: Placement
    network: BenchmarkNetwork
    core: str
    half: bool

    @property
    def int8(self) -> bool:
        """Whether ncnn computed on bytes."""
        return self.published.precision.startswith("int8")


def cases_of(rows: Sequence[Published]) -> tuple[list[Case], Mapping[str, int]]:
    """The rows to predict, and how many others there are by the reason why not."""
    cases, skipped = [], Counter[str]()
    for row in rows:
        found = _case(row)
        if isinstance(found, Case):
            cases.append(found)
        else:
            skipped[found] += 1
    return cases, skipped


def _case(row: Published) -> Case | str:
    if row.framework != "ncnn":
        return f"measured with {row.framework}; only ncnn runs under emulation here"
    if not row.precision.startswith(("fp32", "fp16", "int8")):
        return f"{row.precision}: only fp32, fp16 and int8 are predicted"
    placement = placement_of(row.device, row.chip, row.cores_threads)
    if isinstance(placement, str):
        return placement
    mcpu = str(placement.target.tvm_target["mcpu"])
    if row.precision.startswith("fp16") and mcpu not in _HALF:
        return f"{row.device}: its cores compute nothing in {row.precision}"
    core = model_name(placement.target)
    if core not in GUIDES:
        return f"{row.device}: there is no model of its cores"
    if row.precision.startswith("int8") and row.device in _BEFORE_DOT_PRODUCTS:
        measured = _BEFORE_DOT_PRODUCTS[row.device]
        return f"{row.device}, int8: measured in {measured}, before ncnn had its code of today for such cores"
    network = NETWORKS.get(row.model)
    if network is None:
        return f"{row.model} is no network of ncnn's benchmark"
    # On a core without fp16 ncnn's benchmark allows it all the same, and ncnn keeps weights in it here and there; so it
    # does beside integer layers.
    half = row.precision.startswith(("fp16", "int8")) or mcpu not in _HALF
    return Case(row, placement, network, core, half)
