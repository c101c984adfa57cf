"""Which building block is fastest on your hardware: the suite from Python.

    import bench

    if __name__ == "__main__":  # workers import the script that starts a sweep
        networks = bench.sample(n=20, target="rk3399")
        bench.plot_front(networks).show()

`bench.load(study)` reads a study as a DataFrame, one row a network; `bench.results.COLUMNS` documents its columns.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.analysis import (
        plot_correlation,
        plot_edf,
        plot_front,
        plot_kernels,
        plot_share,
        write_report,
    )
    from bench.api import sample
    from bench.store import load

__version__ = "0.1.0"

# Python started in a checkout takes ./bench for this package: its other parts are found where they are installed.
__path__ = pkgutil.extend_path(__path__, __name__)

_HOMES = {
    "load": "bench.store",
    "sample": "bench.api",
    "plot_correlation": "bench.analysis",
    "plot_edf": "bench.analysis",
    "plot_front": "bench.analysis",
    "plot_kernels": "bench.analysis",
    "plot_share": "bench.analysis",
    "write_report": "bench.analysis",
}

__all__ = [
    "load",
    "plot_correlation",
    "plot_edf",
    "plot_front",
    "plot_kernels",
    "plot_share",
    "sample",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import bench.errors` stays cheap, and no cycle arises."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
