import pytest
import torch
from torch import nn

from blockfront.signature import Signature
from blockfront.targets import get_target
from blockfront.targets.tuning.cost_model import TransferModel
from blockfront.targets.tuning.database import TuningDatabase, TuningRecord
from blockfront.targets.tuning.search import search
from blockfront.targets.tuning.tasks import tasks_of


@pytest.fixture(scope="session")
def host():
    return get_target("host")


def network(head: int = 10) -> nn.Module:
    torch.manual_seed(head)
    body = [nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 1), nn.ReLU6()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, head)).eval()


@pytest.fixture(scope="session")
def make_network():
    """Networks that differ in their last layer and share all kernels before it."""
    return network


@pytest.fixture(scope="session")
def task(host):
    """The kernel with most multiply-accumulates of such a network."""
    return max(tasks_of(network(), Signature.image(16), host, 1), key=lambda task: task.kernel.macs)


@pytest.fixture(scope="session")
def trace(task, host):
    """A schedule for it that MetaSchedule generates; nothing is measured."""
    return search(
        task.function,
        host.compiler(),
        2,
        lambda modules: [[1e-3 / (i + 1)] for i, _ in enumerate(modules)],
        TransferModel(),
    )


@pytest.fixture
def database(host, tmp_path):
    return TuningDatabase(host, 1, tmp_path / "tuning" / "host.jsonl")


@pytest.fixture
def record(task, trace, database):
    """Of a kernel that became twice as fast."""
    return TuningRecord(
        kernel=task.kernel.symbol,
        name=task.kernel.name,
        setting=database.setting,
        trials=2,
        trace=trace,
        rule_ms=tuple(2.0 + 0.01 * i for i in range(20)),
        tuned_ms=tuple(1.0 + 0.01 * i for i in range(20)),
        max_rel_error=0.0,
        device="host",
        date="2026-11-20T00:00:00+00:00",
    )
