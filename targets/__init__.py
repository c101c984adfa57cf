"""Targets: making any torch module ready for hardware, and obtaining its latency there."""

import torch as torch  # before TVM, whose part for GPUs needs the CUDA library that torch's package brings

from blockfront.results.latency import KernelTime, Latency, Visit
from blockfront.targets.compiler.compiling import compile_model
from blockfront.targets.compiler.program import Kernel, Program
from blockfront.targets.hardware import (
    FIGURES,
    HARDWARE,
    Accelerator,
    EthosU,
    FittedNpu,
    Gpu,
    Hardware,
    Microcontroller,
    Processor,
    Target,
    find_hardware,
    get_processor,
    get_target,
)
from blockfront.targets.hardware import catalogue as catalogue
from blockfront.targets.latency.meters import METERS, Measures, Meter, Predicts
from blockfront.targets.latency.options import Asked, RunOptions, SimulationOptions
from blockfront.targets.latency.selection import Means, choose
from blockfront.targets.latency.toolchains import TOOLCHAINS, Runs, Toolchain

__all__ = [
    "FIGURES",
    "HARDWARE",
    "METERS",
    "TOOLCHAINS",
    "Accelerator",
    "Asked",
    "EthosU",
    "FittedNpu",
    "Gpu",
    "Hardware",
    "Kernel",
    "KernelTime",
    "Latency",
    "Means",
    "Measures",
    "Meter",
    "Microcontroller",
    "Predicts",
    "Processor",
    "Program",
    "RunOptions",
    "Runs",
    "SimulationOptions",
    "Target",
    "Toolchain",
    "Visit",
    "choose",
    "compile_model",
    "find_hardware",
    "get_processor",
    "get_target",
]
