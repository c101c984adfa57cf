"""Targets: compiling any torch module for them, and obtaining its latency there."""

from bench.targets import catalogue as catalogue
from bench.targets.compiling import compile_model
from bench.targets.latency import KernelTime, Latency
from bench.targets.program import Kernel, Program
from bench.targets.runners import RUNNERS, Runner, RunOptions, choose_runner
from bench.targets.target import TARGETS, Target, get_target

__all__ = [
    "RUNNERS",
    "TARGETS",
    "Kernel",
    "KernelTime",
    "Latency",
    "Program",
    "RunOptions",
    "Runner",
    "Target",
    "choose_runner",
    "compile_model",
    "get_target",
]
