"""How a latency is obtained: a registry of runners, and the choice of one."""

from bench.targets.runners.emulated import EmulatedRunner
from bench.targets.runners.local import LocalRunner
from bench.targets.runners.roofline import RooflineRunner
from bench.targets.runners.rpc import RpcRunner
from bench.targets.runners.runner import RUNNERS, Runner, RunOptions, choose_runner

for _runner in (LocalRunner(), RpcRunner(), EmulatedRunner(), RooflineRunner()):
    RUNNERS.add(_runner.name, _runner)

__all__ = ["RUNNERS", "RunOptions", "Runner", "choose_runner"]
