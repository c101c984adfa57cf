import socket
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from blockfront.blocks import BLOCKS
from blockfront.design_space import CnnNetwork, Head, StageSpec, Stem
from blockfront.errors import RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import METERS, RunOptions, compile_model, get_target
from blockfront.targets.latency.profiler import find_emulator


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
def all_families():
    """One small network with a stage of every family of ours."""
    families = [name for name, block in BLOCKS.items() if block.cls.__module__.startswith("blockfront.blocks")]
    return CnnNetwork(
        resolution=32,
        num_classes=10,
        stem=Stem(width=16, stride=2),
        stages=tuple(StageSpec.of(family, 1, 24, 2 if i == 0 else 1) for i, family in enumerate(families)),
        head=Head(width=0),
    )


@pytest.fixture(scope="session")
def host_program():
    return compile_model(tiny_network(), Signature.image(16), get_target("host"), threads=1, seed=0)


@pytest.fixture(scope="session")
def board_program():
    return compile_model(tiny_network(), Signature.image(16), get_target("rk3399"), seed=0)


@pytest.fixture(scope="session")
def emulators():
    """QEMU with plugins for an rk3399 and a visionfive2; tests are skipped where it cannot be had."""
    try:
        return {name: find_emulator(get_target(name)) for name in ("rk3399", "spacemit_k1", "visionfive2")}
    except RunError as error:
        pytest.skip(f"nothing can be profiled here: {error}")


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def tracker(free_port):
    """Address of a real tracker with one real server of key `host`, both on loopback."""
    address = f"127.0.0.1:{free_port}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tvm.exec.rpc_tracker", "--host", "127.0.0.1", "--port", str(free_port)]
            + ["--port-end", str(free_port + 1), "--silent"]
        )
    ]
    try:
        _wait_for_tracker(free_port)
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "tvm.exec.rpc_server", "--host", "127.0.0.1", "--key", "host"]
                + ["--tracker", address, "--silent"]
            )
        )
        _wait_for_device(RunOptions(target=get_target("host"), threads=1, tracker=address))
        yield address
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=10)


def _wait_for_tracker(port, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the tracker did not start")


def _wait_for_device(chosen, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return METERS["rpc"].check(chosen)
        except UsageError:
            time.sleep(0.2)
    raise AssertionError("the server did not register")
