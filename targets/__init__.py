"""Targets: compiling any torch module for them, and obtaining its latency there."""

import torch as torch  # before TVM, whose part for GPUs needs the CUDA library that torch's package brings

from bench.targets import catalogue as catalogue
from bench.targets.compiling import compile_model
from bench.targets.latency import KernelTime, Latency, Visit
from bench.targets.program import Kernel, Program
from bench.targets.runners import RUNNERS, Runner, RunOptions, choose_runner
from bench.targets.target import FIGURES, TARGETS, Target, get_target

__all__ = [
    "FIGURES",
    "RUNNERS",
    "TARGETS",
    "Kernel",
    "KernelTime",
    "Latency",
    "Program",
    "RunOptions",
    "Runner",
    "Target",
    "Visit",
    "choose_runner",
    "compile_model",
    "get_target",
]
