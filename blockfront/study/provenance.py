"""How and where a run of a study happened, so that a reader can repeat it."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from blockfront.cores import usable_cores
from blockfront.registry import plugin_versions

PACKAGES = (
    "blockfront",
    "apache-tvm",
    "apache-tvm-ffi",
    "torch",
    "torchvision",
    "timm",
    "optuna",
    "distributed",
    "numpy",
    "pandas",
    "plotly",
    "scikit-learn",
    "zigzag-dse",
)


def describe_run() -> dict[str, Any]:
    """Command, start in UTC, machine and package versions of this process."""
    return {
        "command": shlex.join(["bench", *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result, plug-ins among them; others are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found | plugin_versions()


def machine() -> dict[str, Any]:
    """This machine: system, processor, cores this process may use, memory."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
