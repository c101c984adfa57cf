"""How networks are made ready: a registry of toolchains, of which the first that accepts some hardware serves it."""

from typing import Any

from blockfront.engines import ENGINES, Engine
from blockfront.targets.latency.toolchain import TOOLCHAINS, Runs, Toolchain
from blockfront.targets.latency.toolchains.engine import EngineToolchain
from blockfront.targets.latency.toolchains.layers import LayersToolchain
from blockfront.targets.latency.toolchains.litert import LiteRtToolchain
from blockfront.targets.latency.toolchains.tvm import TvmToolchain
from blockfront.targets.latency.toolchains.vela import VelaToolchain
from blockfront.targets.latency.toolchains.zigzag import ZigzagToolchain

_OURS: tuple[Toolchain[Any, Any], ...] = (
    TvmToolchain(),
    ZigzagToolchain(),
    LayersToolchain(),
    VelaToolchain(),
    *(EngineToolchain(one) for one in ENGINES.values() if isinstance(one, Engine)),
    LiteRtToolchain(ENGINES["litert"]),
)
for _toolchain in _OURS:
    TOOLCHAINS.add(_toolchain.name, _toolchain)

__all__ = ["TOOLCHAINS", "Runs", "Toolchain"]
