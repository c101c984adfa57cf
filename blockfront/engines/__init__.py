"""Runtimes of others, each a module: how a network gets into its files, and how it is run in a process of its own."""

from blockfront.engines.engine import ENGINES, Engine, Runtime
from blockfront.engines.executorch import ExecuTorch
from blockfront.engines.litert import LiteRt
from blockfront.engines.ncnn import Ncnn
from blockfront.engines.onnxruntime import OnnxRuntime
from blockfront.engines.openvino import OpenVino

_OURS: tuple[Runtime, ...] = (OnnxRuntime(), OpenVino(), Ncnn(), ExecuTorch(), LiteRt())
for _engine in _OURS:
    ENGINES.add(_engine.name, _engine)

__all__ = ["ENGINES", "Engine", "Runtime"]
