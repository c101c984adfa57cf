"""Networks on ML accelerators: as layers, and what ZigZag says of each layer on a model of the accelerator."""

from blockfront.targets.latency.accelerators.layers import Layer
from blockfront.targets.latency.accelerators.workload import Move, Workload, make_workload

__all__ = ["Layer", "Move", "Workload", "make_workload"]
