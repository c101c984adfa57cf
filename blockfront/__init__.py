"""Which building block is fastest on your hardware: the suite from Python.

    import blockfront

    if __name__ == "__main__":  # workers import the script that starts a sweep
        networks = blockfront.sample(n=20, target="rk3399")
        blockfront.plot_front(networks).show()

`blockfront.rank(["resnet18", "mobilenet*"], target="rpi5")` does so for known networks, `blockfront.load(study)` reads
a study as a DataFrame, one row a network; `blockfront.results.COLUMNS` documents its columns.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blockfront.analysis import (
        plot_correlation,
        plot_edf,
        plot_front,
        plot_kernels,
        plot_share,
        write_report,
    )
    from blockfront.api import rank, sample
    from blockfront.study.storage import load

__version__ = "0.1.0"

# Python started in a checkout takes ./bench for this package: its other parts are found where they are installed.
__path__ = pkgutil.extend_path(__path__, __name__)

_HOMES = {
    "load": "blockfront.study.storage",
    "rank": "blockfront.api",
    "sample": "blockfront.api",
    "plot_correlation": "blockfront.analysis",
    "plot_edf": "blockfront.analysis",
    "plot_front": "blockfront.analysis",
    "plot_kernels": "blockfront.analysis",
    "plot_share": "blockfront.analysis",
    "write_report": "blockfront.analysis",
}

__all__ = [
    "load",
    "plot_correlation",
    "plot_edf",
    "plot_front",
    "plot_kernels",
    "plot_share",
    "rank",
    "sample",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import blockfront.errors` stays cheap, and no cycle arises."""
    if name not in _HOMES:
        raise AttributeError(f"module 'blockfront' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
