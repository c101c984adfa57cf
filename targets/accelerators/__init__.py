"""ML accelerators as targets: networks as layers, and what ZigZag says of each layer on a model of the accelerator."""

from bench.targets.accelerators.accelerator import ACCELERATORS, Accelerator, find_hardware
from bench.targets.accelerators.description import INSTALL, Description, figures, installed
from bench.targets.accelerators.layers import Layer
from bench.targets.accelerators.workload import Move, Workload, make_workload

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
