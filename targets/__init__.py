"""Targets: compiling any torch module for them, and obtaining its latency there."""

import torch as torch  # before TVM, whose part for GPUs needs the CUDA library that torch's package brings

from bench.results.latency import KernelTime, Latency, Visit
from bench.targets import catalogue as catalogue
from bench.targets.accelerators import ACCELERATORS, Accelerator, find_hardware
from bench.targets.compiling import compile_model
from bench.targets.program import Kernel, Program
from bench.targets.runners import (
    RUNNERS,
    Options,
    Runner,
    RunOptions,
    SimulationOptions,
    choose_runner,
    simulation_options,
)
from bench.targets.target import FIGURES, TARGETS, Target, get_target

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
