"""ML accelerators as targets: networks as layers, and what ZigZag says of each layer on a model of the accelerator."""

from blockfront.targets.hardware.accelerator import ACCELERATORS, Accelerator, find_hardware
from blockfront.targets.latency.accelerators.description import INSTALL, Description, figures, installed
from blockfront.targets.latency.accelerators.layers import Layer
from blockfront.targets.latency.accelerators.workload import Move, Workload, make_workload

__all__ = [
    "ACCELERATORS",
    "INSTALL",
    "Accelerator",
    "Description",
    "Layer",
    "Move",
    "Workload",
    "figures",
    "find_hardware",
    "installed",
    "make_workload",
]
