"""How the time of a network is found: a registry of meters, of which `auto` takes the first without a reservation."""

from typing import Any

from blockfront.targets.latency.meter import METERS, Meter, Predicts
from blockfront.targets.latency.meters.board import BoardMeter
from blockfront.targets.latency.meters.emulated import EmulatedMeter
from blockfront.targets.latency.meters.estimated import EstimatedMeter
from blockfront.targets.latency.meters.fitted import FittedMeter
from blockfront.targets.latency.meters.local import LocalMeter
from blockfront.targets.latency.meters.measure import Measures
from blockfront.targets.latency.meters.roofline import RooflineMeter
from blockfront.targets.latency.meters.simulated import SimulatedMeter

_OURS: tuple[Meter[Any, Any], ...] = (
    *(LocalMeter(), BoardMeter(), EmulatedMeter(), RooflineMeter(), SimulatedMeter(), EstimatedMeter()),
    FittedMeter(),
)
for _meter in _OURS:
    METERS.add(_meter.name, _meter)

__all__ = ["METERS", "Measures", "Meter", "Predicts"]
