"""Whether a short recipe ranks networks as a long one does: networks trained by both, and how alike the ranks are."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from blockfront.analysis.pareto import front_mask
from blockfront.analysis.statistics import resamples
from blockfront.console.progress import Progress
from blockfront.content_store import cache_folder
from blockfront.design_space import Network, Space
from blockfront.errors import RunError, UsageError
from blockfront.files import explaining, write_atomically
from blockfront.plurals import counted
from blockfront.results import interval95
from blockfront.training import Dataset, Recipe, seeded, train
from blockfront.training.checkpoint import checkpoint_path
from blockfront.validation.records import TrainedNetwork, keep_record, read_records
from blockfront.validation.trust import SHIPPED, Rank, Ranking, ranking_path

GOALS = ((0.05, 0.7), (0.2, 0.8))
"""Kendall's τ that is wanted at so large a share of the long recipe's cost."""
LEAST = 5
TRAININGS = "trainings.jsonl"
"""The file of what each training gave, in the folder of the rankings that were judged from it."""


def validate_ranking(
    space: Space,
    n: int,
    dataset: Dataset,
    cheap: Recipe,
    long: Recipe,
    *,
    seed: int,
    workers: int,
    device: str,
    progress: Progress,
    folder: Path | None = None,
    of: int | None = None,
) -> Ranking:
    """Train the first `n` networks of a space, as many of each family, by both recipes as far as that is not done.

    With `of` so many are trained by the cheap one, and `n` of them, `stratified`, by the long one. Each training is
    kept, and one that is interrupted goes on from its last epoch; those behind a shipped ranking are not done again.
    Raises `UsageError` for recipes that are one, fewer than 5 networks, and fewer to choose from than are to be chosen.
    """
    if cheap.hash == long.hash:
        raise UsageError("the two recipes are one; make the long one longer, such as --set epochs=5")
    if n < LEAST:
        raise UsageError(f"ranks of fewer than {LEAST} networks say nothing; take a larger --n")
    if of is not None and of < n:
        raise UsageError(
            f"--of {of} is fewer than the {counted(n, 'network')} that are to be chosen; take a larger one, or less --n"
        )
    folder = folder or cache_folder() / "validation"
    networks = list(islice(_distinct(space, seed), of or n))
    short_run = _trained(networks, dataset, cheap, seed, workers, device, progress, folder)
    chosen = range(n) if of is None else stratified(short_run, n)
    short_run, networks = [short_run[place] for place in chosen], [networks[place] for place in chosen]
    long_run = _trained(networks, dataset, long, seed, workers, device, progress, folder)
    ranking = replace(judge_ranking(space.name, dataset, cheap, long, short_run, long_run), chosen_of=of)
    path = ranking_path(folder, dataset.fingerprint, cheap.hash)
    with explaining(path):
        write_atomically(path, msgspec.json.encode(ranking), make_folders=True)
    return ranking


def judge_ranking(
    space: str,
    dataset: Dataset,
    cheap: Recipe,
    long: Recipe,
    short_run: Sequence[TrainedNetwork],
    long_run: Sequence[TrainedNetwork],
) -> Ranking:
    """What trainings of the same networks, in the same order, by two recipes say."""
    truth = np.array([one.value for one in long_run])
    proxies = {
        "cheap": np.array([one.value for one in short_run]),
        "macs": np.array([one.macs for one in long_run], dtype=np.float64),
        "params": np.array([one.params for one in long_run], dtype=np.float64),
    }
    family = np.array([one.family for one in long_run])
    every, apart = np.ones((len(family), len(family)), dtype=bool), family[:, None] != family[None]
    return Ranking(
        dataset=dataset.ref,
        dataset_fingerprint=dataset.fingerprint,
        space=space,
        cheap=msgspec.to_builtins(cheap),
        cheap_hash=cheap.hash,
        long=msgspec.to_builtins(long),
        long_hash=long.hash,
        networks=len(truth),
        families=len(set(family)),
        cost_share=_passes(cheap, dataset) / _passes(long, dataset),
        over_all={name: kendall(values, truth, every) for name, values in proxies.items()},
        between={name: kendall(values, truth, apart) for name, values in proxies.items()},
    )


def stratified(run: Sequence[TrainedNetwork], n: int, strata: int = 5) -> list[int]:
    """The places of `n` networks, as many in each stratum of the accuracies that the front against MACs spans.

    Strata are equally wide, from the front's worst accuracy to its best; networks below are chosen last. Within one the
    first drawn come first, and one that has too few leaves its share to the others in turn.
    """
    values, macs = (np.array([getattr(one, key) for one in run], dtype=np.float64) for key in ("value", "macs"))
    on_front = values[front_mask(macs, values)]
    inner = np.linspace(on_front.min(), on_front.max(), strata + 1)[1:-1]
    above = values >= on_front.min()
    queues = [deque(np.flatnonzero(above & (np.digitize(values, inner) == place)).tolist()) for place in range(strata)]
    chosen: list[int] = []
    while len(chosen) < n and any(queues):
        chosen += [queue.popleft() for queue in queues if queue]
    return sorted([*chosen, *np.flatnonzero(~above).tolist()][:n])


def kendall(
    first: NDArray[np.float64], second: NDArray[np.float64], pairs: NDArray[np.bool_], draws: int = 1000, seed: int = 0
) -> Rank:
    """Concordant less discordant pairs, over all `pairs` (n, n) of two networks; tied ones count for neither.

    In a resample a pair counts as often as both networks were drawn, and no network with itself. Kendall, Biometrika 30
    (1938).
    """
    signs = np.sign(first[:, None] - first[None]) * np.sign(second[:, None] - second[None])
    counted = (pairs & ~np.eye(len(first), dtype=bool)).astype(np.float64)
    drawn = np.stack([np.bincount(rows, minlength=len(first)) for rows in resamples(len(first), draws, seed)])
    weights = np.vstack([np.ones(len(first)), drawn]).astype(np.float64)
    above, below = (np.einsum("di,ij,dj->d", weights, matrix, weights) for matrix in (signs * counted, counted))
    with np.errstate(invalid="ignore", divide="ignore"):
        taus = np.where(below > 0, above / below, np.nan)
    return Rank(float(taus[0]), *interval95(taus[1:]))


def _passes(recipe: Recipe, dataset: Dataset) -> int:
    return recipe.epochs * min(recipe.images or dataset.train_images, dataset.train_images)


def _distinct(space: Space, seed: int) -> Iterator[Network]:
    seen: set[str] = set()
    for index in range(100_000):
        network = space.sample(seed=seed, index=index)
        if network.id not in seen:
            seen.add(network.id)
            yield network
    raise UsageError(f"space {space.name} has only {counted(len(seen), 'network')}")


def _trained(
    networks: Sequence[Network],
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    workers: int,
    device: str,
    progress: Progress,
    folder: Path,
) -> list[TrainedNetwork]:
    path = folder / TRAININGS
    code = f"{recipe.hash} {dataset.fingerprint} {seed}"
    known = read_records(SHIPPED / TRAININGS, TrainedNetwork, code) | read_records(path, TrainedNetwork, code)
    missing = [network for network in networks if str(network) not in known]
    # Spawned, because torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with progress.stage(f"train {counted(recipe.epochs, 'epoch')}", len(missing)) as advance:
        if missing:
            with ProcessPoolExecutor(min(workers, len(missing)), mp_context=context) as pool:
                futures: dict[Future[TrainedNetwork], Network] = {
                    pool.submit(train_one, str(network), dataset, recipe, seed, device, code): network
                    for network in missing
                }
                try:
                    for future in as_completed(futures):
                        found = future.result()
                        keep_record(path, found)
                        known[found.network] = found
                        checkpoint_of(str(futures[future]), code).unlink(missing_ok=True)
                        advance()
                except (KeyboardInterrupt, RunError):
                    # A training goes on from its last epoch; nobody waits for its end.
                    pool.shutdown(wait=False, cancel_futures=True)
                    for process in multiprocessing.active_children():
                        process.terminate()
                    raise
    return [known[str(network)] for network in networks]


def train_one(text: str, dataset: Dataset, recipe: Recipe, seed: int, device: str, code: str) -> TrainedNetwork:
    """A network of this text trained by a recipe, on one thread."""
    network = Network.parse(text)
    with seeded(seed, 1):
        module = network.build()
        loss: Callable[..., object] | None = getattr(module, "loss", None)
        found = train(
            module,
            dataset,
            recipe,
            resolution=network.signature.resolution,
            device=device,
            seed=seed,
            loss=loss,  # type: ignore[arg-type]
            checkpoint=checkpoint_of(text, code),
        )
    value = next(iter(found.scores.values())).value
    cost = network.cost
    return TrainedNetwork(text, network.family, code, cost.macs, cost.params, value, found.seconds)


def checkpoint_of(text: str, code: str) -> Path:
    """Where the training of a network is while it goes on."""
    return checkpoint_path("ranking", text, code)
