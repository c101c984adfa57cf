import pytest
import torch
from torch import nn

from bench.targets import compile_model, get_target


def tiny_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, 1, 1, groups=16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


@pytest.fixture
def tiny():
    return tiny_network()


@pytest.fixture(scope="session")
def host_program():
    return compile_model(tiny_network(), 16, get_target("host"), threads=1, seed=0)


@pytest.fixture(scope="session")
def board_program():
    return compile_model(tiny_network(), 16, get_target("rk3399"), seed=0)
