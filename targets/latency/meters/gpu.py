"""A GPU to measure on, and what NVIDIA's driver tells of its state."""

from __future__ import annotations

import subprocess
from typing import Any

from blockfront.errors import DeviceUnavailable
from blockfront.targets.hardware.target import Target

_MISSING = {
    "cuda": "TVM there needs NVIDIA's driver and CUDA 13's runtime library, or to be built from source for its CUDA",
    "opencl": "TVM's packages come without OpenCL: build TVM from source there with USE_OPENCL=ON",
}
_STATE = {"clocks.sm": "clock", "clocks.mem": "memory clock", "temperature.gpu": "temperature °C", "pstate": "state"}


def find_device(source: Any, target: Target, where: str) -> Any:
    """The device for `target` that `source` has: TVM here, or an RPC session.

    Raises `DeviceUnavailable` without the GPU that it would be; there is always a processor.
    """
    device = source.device(target.device_type)
    if not device.exist:
        raise DeviceUnavailable(
            f"{where} has no GPU that TVM can use for {target.name}: {_MISSING[target.device_type]}"
        )
    return device


def gpu_state() -> dict[str, str]:
    """Clocks, temperature and performance state of the first GPU; empty where nvidia-smi does not say."""
    command = ["nvidia-smi", "--id=0", f"--query-gpu={','.join(_STATE)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    values = done.stdout.strip().split(", ")
    return dict(zip(_STATE.values(), values, strict=False))
