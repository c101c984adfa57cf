"""How a latency is obtained: a registry of runners, and the choice of one."""

from bench.targets.runners.emulated import EmulatedRunner
from bench.targets.runners.local import LocalRunner
from bench.targets.runners.roofline import RooflineRunner
from bench.targets.runners.rpc import RpcRunner
from bench.targets.runners.runner import RUNNERS, Runner, RunOptions, choose_runner
from bench.targets.runners.simulated import SimulatedRunner, SimulationOptions, simulation_options

for _runner in (LocalRunner(), RpcRunner(), EmulatedRunner(), RooflineRunner(), SimulatedRunner()):
    RUNNERS.add(_runner.name, _runner)

Options = RunOptions | SimulationOptions
"""What `RUNNERS` take, each its own kind."""

__all__ = [
    "RUNNERS",
    "Options",
    "RunOptions",
    "Runner",
    "SimulationOptions",
    "choose_runner",
    "simulation_options",
]
