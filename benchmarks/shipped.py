"""The table of predicted latencies that comes with the package: timm's networks on every Arm processor.

    python benchmarks/shipped.py [--targets rpi5 rk3588] [--models 'mobilenet*'] [--max-gmacs 5] [--minutes 60]
    python benchmarks/shipped.py --confirm 12
    python benchmarks/shipped.py --list

Makes the rows that the table lacks, and those that would come out otherwise today, a network on all processors after
the other, and writes it after each network: the same command goes on where it was stopped. Small networks that many ask
for come first, then those of few parameters. A network is recorded once, and compiled once for neighbours of one core.
Kernels and their profiles are kept by what they are, so each distinct code is compiled, and emulated on distinct
caches, once.

`--list` makes nothing, and says how many rows each processor has, and how many would come out the same today.

`--confirm N` is for a change of sources that is to change no latency, such as a new operator or number format. It makes
N stale rows anew for each processor and number of threads, of networks that were shuffled once for all. Where all come
out as they were, the other stale ones of the place are taken over, with that number in their column `confirmed`; where
one does not, they all go, so that no later draw takes them over.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import torch
from zoo import macs_on_meta

from blockfront.design_space import Network, known_network, published
from blockfront.design_space.listing import expand
from blockfront.design_space.models import find_model
from blockfront.errors import RunError, UsageError
from blockfront.sweep.shipped import KnownLatency, made_by, make_rows, read_table, taken_over, valid_rows, write_table
from blockfront.targets import HARDWARE, Asked, Means, Processor, choose, find_hardware

POPULAR = expand(["@" + str(Path(__file__).with_name("popular.txt"))])
Rows = dict[tuple[str, str, int], KnownLatency]


def arm_processors() -> list[str]:
    """Arm's of the catalogue."""
    found = [HARDWARE[name] for name in HARDWARE]
    return [one.name for one in found if isinstance(one, Processor) and one.architecture == "aarch64"]


def means_for(targets: list[str]) -> Iterator[Means]:
    """All cores of each target, then one; a target without a model of its core is said."""
    for threads in (None, 1):
        for name in targets:
            try:
                means = choose(Asked(find_hardware(name), threads), runner="emulated")
            except UsageError as error:
                print(f"left out: {error}", flush=True)
                continue
            if threads is None or means.options.target.cores > 1:
                yield means


def names_in_order(patterns: list[str]) -> Iterator[str]:
    """Names that fit the patterns: what is `POPULAR`, then what has few parameters."""
    params = _params()
    names = sorted(expand(patterns), key=lambda name: params.get(name, float("inf")))
    return iter(sorted(names, key=lambda name: POPULAR.index(name) if name in POPULAR else len(POPULAR)))


@cache
def network_of(name: str) -> tuple[Network, int | None]:
    """A network, and its MACs; None of one that does not run, which is said."""
    network = known_network(name)
    return network, macs_on_meta(find_model(name)) or _macs(network)


def _macs(network: Network) -> int | None:
    """Of a network that does not run on torch's meta device; what does not run at all is said."""
    try:
        return network.cost_of(network.deployed()).macs
    except Exception as error:
        print(f"left out: {network} does not run: {error}", flush=True)
        return None


def _params() -> dict[str, float]:
    """Millions of parameters by architecture, as far as timm's results say."""
    with (Path(published.__file__).with_name("timm_imagenet.csv")).open(encoding="utf-8", newline="") as lines:
        return {
            row["model"].partition(".")[0]: float(row["param_count"].replace(",", "")) for row in csv.DictReader(lines)
        }


def confirm(rows: Rows, everywhere: list[Means], count: int) -> None:
    """Take stale rows over or leave them out, as it is said above; those made anew stay in any case."""
    makers = {_place(means): str(made_by(means)) for means in everywhere}
    stale = [row for row in rows.values() if row.made_by != makers.get((row.target, row.threads), row.made_by)]
    networks = sorted({row.network for row in stale})
    Random("".join(makers.values())).shuffle(networks)
    waiting = {place: [row for row in stale if (row.target, row.threads) == place] for place in makers}
    drawn = {place: _first(count, networks, {row.network for row in found}) for place, found in waiting.items()}
    anew: dict[tuple[str, int], list[KnownLatency]] = {place: [] for place in makers}
    for network in networks:
        there = [means for means in everywhere if network in drawn[_place(means)]]
        for means, row in make_rows(Network.parse(network), there):
            if isinstance(row, RunError):
                raise row
            anew[_place(means)].append(row)
    for place, found in waiting.items():
        kept = taken_over(found, anew[place], makers[place])
        for row in found:
            del rows[_key(row)]
        rows |= {_key(row): row for row in kept}
        print(f"{place[0]} {place[1]}: {len(anew[place])} of {len(found)} stale rows made anew, {len(kept)} kept")
    write_table(rows.values())


def _first(count: int, ordered: list[str], among: set[str]) -> set[str]:
    return set(islice((one for one in ordered if one in among), count))


def _place(means: Means) -> tuple[str, int]:
    return means.options.target.name, means.options.threads


def _key(row: KnownLatency) -> tuple[str, str, int]:
    return row.network_id, row.target, row.threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="*", default=arm_processors())
    parser.add_argument("--models", nargs="*", default=["*"])
    parser.add_argument("--max-gmacs", type=float, default=5)
    parser.add_argument("--confirm", type=int, help="take stale rows over where so many of them come out the same")
    parser.add_argument("--list", action="store_true", help="say how many rows there are, and make none")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row after so many")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    end = time.monotonic() + 60 * asked.minutes
    rows: Rows = {_key(row): row for row in read_table()}
    everywhere = list(means_for(asked.targets))
    if asked.list:
        found = Counter((row.target, row.threads) for row in rows.values())
        for means in everywhere:
            print(*_place(means), f"{len(valid_rows(means))} of {found[_place(means)]} rows hold")
        return
    if asked.confirm is not None:
        confirm(rows, everywhere, asked.confirm)
        return
    for name in names_in_order(asked.models):
        known = known_network(name).id
        lacking = [means for means in everywhere if not _is_there(rows.get((known, *_place(means))), means)]
        if time.monotonic() > end:
            return
        network, macs = network_of(name) if lacking else (known_network(name), None)
        if macs is None or macs > asked.max_gmacs * 1e9:
            continue
        fill(rows, network, lacking, end)
        write_table(rows.values())


def fill(rows: Rows, network: Network, lacking: list[Means], end: float) -> None:
    """Make a network's rows, as far as there is time, and say what each took, with its children."""
    start = _seconds()
    try:
        for means, row in make_rows(network, lacking):
            target, threads = _place(means)
            if isinstance(row, RunError):
                print(f"failed: {network} on {target}, {threads} threads: {row}", flush=True)
                continue
            rows[_key(row)] = row
            start, spent = _seconds(), _seconds() - start
            print(f"{network} {target} {threads}: {row.latency_ms:.4g} ms, {spent:.1f} core s here", flush=True)
            if time.monotonic() > end:
                return
    except RunError as error:
        print(f"failed: {network}: {error}", flush=True)


def _is_there(row: KnownLatency | None, means: Means) -> bool:
    return row is not None and row.made_by == made_by(means)


def _seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    main()
