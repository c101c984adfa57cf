"""How a latency is obtained: a registry of runners, and the choice of one."""

from blockfront.targets.latency.runners.emulated import EmulatedRunner
from blockfront.targets.latency.runners.local import LocalRunner
from blockfront.targets.latency.runners.roofline import RooflineRunner
from blockfront.targets.latency.runners.rpc import RpcRunner
from blockfront.targets.latency.runners.runner import RUNNERS, Runner, RunOptions, choose_runner
from blockfront.targets.latency.runners.simulated import SimulatedRunner, SimulationOptions, simulation_options

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
