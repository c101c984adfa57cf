"""The sweep, and the ranking of known networks, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
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
    from blockfront.sweep.plan import resolve
    from blockfront.sweep.request import make_request
    from blockfront.sweep.run import run_sweep

    request = make_request(n=n, target=target, **options)
    if request.scheduler is None:
        start_fork_server()
    progress = choose_progress(quiet=quiet)
    plan = resolve(request)
    run_sweep(plan, progress)
    return load(plan.study, request.storage)


def rank(
    models: Iterable[str] | None = None,
    target: str = "host",
    *,
    accuracy: str = "imagenet",
    dataset: str | None = None,
    weights: Mapping[str, str | Path] | None = None,
    quiet: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Profile known networks as `bench rank` does; gives a row for each, in their order, with its accuracy.

    `models` are names, patterns, lists or texts as that command takes them, or None for all whose latency comes with
    the package, as its `--all`. `accuracy` is `imagenet`, a CSV file or `none`. On a `dataset` post-processing of
    trained detectors is timed, of torchvision's with the files of `weights`, by name. `options` are the fields of
    `blockfront.sweep.request.Request`, such as `input`, `threads`, `storage`. What to take of them says
    `blockfront.analysis.choose_network`. Call it under `if __name__ == "__main__":`, too. Raises UsageError for a wrong
    option and RunError when the sweep cannot go on.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.services.accuracy import Accuracies
    from blockfront.services.rank import models_of_table, plan_ranking, rank_networks, trained_detectors
    from blockfront.sweep.request import make_request

    accuracies = Accuracies(accuracy)
    files = {name: Path(file) for name, file in (weights or {}).items()}
    trained = trained_detectors(dataset, files, options.pop("data_dir", None))
    request = make_request(target=target, train=False, **options)
    plan = plan_ranking(replace(request, models=models_of_table(request) if models is None else tuple(models)))
    return rank_networks(plan, accuracies, choose_progress(quiet=quiet), trained).frame
