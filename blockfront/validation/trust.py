"""How far the accuracies of a study are to be trusted: what was validated of its recipe, read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from blockfront.content_store import cache_folder
from blockfront.plurals import counted

SHIPPED = Path(__file__).with_name("rankings")
"""What was validated with this version."""


@dataclass(frozen=True)
class Rank:
    """Kendall's τ and its 95 % interval over resampled networks."""

    tau: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """How alike the ranks of `networks` networks are under two recipes on a data set.

    `cost_share` is the cheap recipe's image passes over the long one's. `over_all` has τ with the long one's accuracy
    of `cheap` accuracy, `macs` and `params`; `between` the same of pairs of different families alone. `chosen_of` is of
    how many networks they were chosen evenly over the accuracies of the front, None where they were just drawn.
    """

    dataset: str
    dataset_fingerprint: str
    space: str
    cheap: dict[str, Any]
    cheap_hash: str
    long: dict[str, Any]
    long_hash: str
    networks: int
    families: int
    cost_share: float
    over_all: dict[str, Rank]
    between: dict[str, Rank]
    chosen_of: int | None = None


def find_ranking(dataset_fingerprint: str, recipe_hash: str) -> Ranking | None:
    """What is known of a cheap recipe on a data set: validated here, or with this version; None without."""
    for folder in (cache_folder() / "validation", SHIPPED):
        try:
            return msgspec.json.decode(
                ranking_path(folder, dataset_fingerprint, recipe_hash).read_bytes(), type=Ranking
            )
        except (OSError, msgspec.MsgspecError):
            continue
    return None


def ranking_path(folder: Path, dataset_fingerprint: str, recipe_hash: str) -> Path:
    """The file of a `Ranking`."""
    return folder / f"ranking-{dataset_fingerprint}-{recipe_hash}.json"


def trust(dataset_fingerprint: str, recipe_hash: str) -> str:
    """How far accuracies by a recipe on a data set rank networks as a longer one would, in a sentence."""
    found = find_ranking(dataset_fingerprint, recipe_hash)
    if found is None:
        return "not validated: how these networks would rank after longer training is unknown (bench validate accuracy)"
    epochs = counted(found.long["epochs"], "epoch")
    long = f"{1 / found.cost_share:.0f} times its cost (recipe {found.long_hash}, {epochs})"
    chosen = f", chosen of {found.chosen_of} evenly over the accuracies of their front" if found.chosen_of else ""
    taus = [
        f"{words} {_text(found.over_all[name])}, between families {_text(found.between[name])}"
        for name, words in (("cheap", "Kendall τ"), ("macs", "that of MACs"), ("params", "that of parameters"))
    ]
    networks = f"{counted(found.networks, 'network')} of {counted(found.families, 'family')}"
    return f"{networks} of {found.space}{chosen}, trained by this recipe and by one of {long}: {'; '.join(taus)}"


def _text(rank: Rank) -> str:
    return f"{rank.tau:.2f} (95 % interval {rank.low:.2f} to {rank.high:.2f})"
