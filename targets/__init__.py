"""Targets: compiling any torch module for them, and obtaining its latency there."""

import torch as torch  # before TVM, whose part for GPUs needs the CUDA library that torch's package brings

from blockfront.results.latency import KernelTime, Latency, Visit
from blockfront.targets.compiler.compiling import compile_model
from blockfront.targets.compiler.program import Kernel, Program
from blockfront.targets.hardware import catalogue as catalogue
from blockfront.targets.hardware.target import FIGURES, TARGETS, Target, get_target
from blockfront.targets.latency.accelerators import ACCELERATORS, Accelerator, find_hardware
from blockfront.targets.latency.runners import (
    RUNNERS,
    Options,
    Runner,
    RunOptions,
    SimulationOptions,
    choose_runner,
    simulation_options,
)

__all__ = [
    "ACCELERATORS",
    "FIGURES",
    "RUNNERS",
    "TARGETS",
    "Accelerator",
    "Kernel",
    "KernelTime",
    "Latency",
    "Options",
    "Program",
    "RunOptions",
    "Runner",
    "SimulationOptions",
    "Target",
    "Visit",
    "choose_runner",
    "compile_model",
    "find_hardware",
    "get_target",
    "simulation_options",
]
