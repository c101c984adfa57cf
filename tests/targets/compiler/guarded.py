"""Networks of each kind, compiled for a target and compared with torch one after the other; each is named before.

Run with guard_pages.c preloaded, by test_bounds.py; without a target, one byte beyond a tensor is written instead.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

import timm
import torch
import tvm
from torch import nn

from benchmarks import tiny
from blockfront.design_space.space import Space
from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from tests.targets.compiler.operator_cases import CASES, IMAGE, Computed


def modules() -> Iterator[tuple[str, nn.Module, Signature]]:
    """Operators, timm's networks for tests, and networks of each tiny space, with their inputs."""
    for name, function in CASES.items():
        yield name, Computed(function), IMAGE
    for name in timm.list_models("test_*"):
        model = timm.create_model(name).eval()
        yield name, model, Signature.image(*model.pretrained_cfg["input_size"][1:])
    for space in filter(lambda value: isinstance(value, Space), vars(tiny).values()):
        for number in range(2):
            network = space.sample(0, number)
            yield f"{space.name} {number}", network.deployed(), Signature.image(network.resolution)


def main() -> None:
    if not sys.argv[1:]:
        ctypes.memset(torch.from_dlpack(tvm.runtime.empty((1024,), "float32")).data_ptr(), 0, 4 * 1024 + 1)
        return
    for name, module, signature in modules():
        print(name, flush=True)
        compile_model(module, signature, get_target(sys.argv[1]), threads=2, seed=1)


main()
