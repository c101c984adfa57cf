"""The sweep from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def sample(n: int = 20, target: str = "host", *, quiet: bool = False, **options: Any) -> pd.DataFrame:
    """Sample, profile and train networks as `bench sample` does; gives the study's DataFrame.

    `options` are the fields of `blockfront.sweep.request.Request`, such as `space`, `dataset`, `storage`, `study`.
    Call it under `if __name__ == "__main__":`, because worker processes import the calling script. Raises
    UsageError for a wrong option and RunError when the sweep cannot go on.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.study.storage import load
    from blockfront.sweep.fork_server import start_fork_server
    from blockfront.sweep.request import make_request, resolve
    from blockfront.sweep.run import run_sweep

    request = make_request(n=n, target=target, **options)
    if request.scheduler is None:
        start_fork_server()
    progress = choose_progress(quiet=quiet)
    plan = resolve(request)
    run_sweep(plan, progress)
    return load(plan.study, request.storage)
