"""The table of predicted latencies that comes with the package: timm's networks on every Arm processor.

    python benchmarks/shipped.py [--targets rpi5 rk3588] [--models 'mobilenet*'] [--max-gmacs 5] [--minutes 60]
    python benchmarks/shipped.py --confirm 12

Makes the rows that the table lacks, and those that would come out otherwise today, and writes it after each: the same
command goes on where it was stopped. Small networks that many ask for come first, then those of few parameters; of the
processors the first of `--targets`, by default the Raspberry Pis. Kernels and their profiles are kept by what they are,
so each distinct code is compiled, and emulated on distinct caches, once.

`--confirm N` is for a change of sources that is to change no latency, such as a new operator or number format. It makes
N stale rows anew, drawn at random for each processor and number of threads. Where all come out as they were, the other
stale ones are taken over, with that number in their column `confirmed`; where one does not, they all go, so that no
later draw takes them over.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from functools import cache
from itertools import islice, product
from pathlib import Path
from random import Random

import torch
from zoo import macs_on_meta

from blockfront.design_space import Network, known_network, published
from blockfront.design_space.listing import expand
from blockfront.design_space.models import find_model
from blockfront.errors import RunError, UsageError
from blockfront.results.trial import write_part
from blockfront.study.journal import facts_of
from blockfront.sweep.shipped import KnownLatency, made_by, read_table, taken_over, write_table
from blockfront.sweep.stages import Job, profile_network
from blockfront.targets import HARDWARE, Asked, Means, Processor, choose, find_hardware

FIRST = ("rpi5", "rpi4")
POPULAR = expand(["@" + str(Path(__file__).with_name("popular.txt"))])
BLOCK = 64
"""So many networks on each processor in turn."""
Rows = dict[tuple[str, str, int], KnownLatency]


def arm_processors() -> list[str]:
    """Arm's of the catalogue: the `FIRST`, then those of the same core and caches beside each other."""
    found = [HARDWARE[name] for name in HARDWARE]
    arm = [one for one in found if isinstance(one, Processor) and one.architecture == "aarch64"]
    arm.sort(key=lambda one: (str(one.tvm_target["mcpu"]), one.l2_bytes, one.l3_bytes, one.name))
    return [*FIRST, *(one.name for one in arm if one.name not in FIRST)]


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


def make(network: Network, means: Means, maker: str) -> KnownLatency:
    """The row of a network. Raises RunError for one that does not compile."""
    facts = write_part(facts_of(network))
    parts = profile_network(Job(facts["id"], facts["text"], 0, 1), means)
    return KnownLatency.of(facts, str(network.signature), parts["cost"], parts["latency"], maker)


def confirm(rows: Rows, everywhere: list[tuple[Means, str]], count: int) -> None:
    """Take stale rows over or leave them out, as it is said above; those made anew stay in any case."""
    for means, maker in everywhere:
        place = (means.options.target.name, means.options.threads)
        stale = [row for row in rows.values() if (row.target, row.threads) == place and row.made_by != maker]
        drawn = Random(maker).sample(stale, min(count, len(stale)))
        anew = [make(Network.parse(row.network), means, maker) for row in drawn]
        kept = taken_over(stale, anew, maker)
        for row in stale:
            del rows[_key(row)]
        rows |= {_key(row): row for row in kept}
        write_table(rows.values())
        print(f"{place[0]} {place[1]}: {len(drawn)} of {len(stale)} stale rows made anew, {len(kept)} kept", flush=True)


def _key(row: KnownLatency) -> tuple[str, str, int]:
    return row.network_id, row.target, row.threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="*", default=arm_processors())
    parser.add_argument("--models", nargs="*", default=["*"])
    parser.add_argument("--max-gmacs", type=float, default=5)
    parser.add_argument("--confirm", type=int, help="take stale rows over where so many of them come out the same")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row after so many")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    end = time.monotonic() + 60 * asked.minutes
    rows: Rows = {_key(row): row for row in read_table()}
    everywhere = [(means, str(made_by(means))) for means in means_for(asked.targets)]
    if asked.confirm is not None:
        confirm(rows, everywhere, asked.confirm)
        return
    names = names_in_order(asked.models)
    while block := list(islice(names, BLOCK)):
        for (means, maker), name in product(everywhere, block):
            key = (known_network(name).id, means.options.target.name, means.options.threads)
            if key in rows and rows[key].made_by == maker:
                continue
            if time.monotonic() > end:
                return
            start = time.process_time()
            network, macs = network_of(name)
            if macs is None or macs > asked.max_gmacs * 1e9:
                continue
            try:
                rows[key] = make(network, means, maker)
            except RunError as error:
                print(f"failed: {network} on {key[1]}, {key[2]} threads: {error}", flush=True)
                continue
            write_table(rows.values())
            spent = time.process_time() - start
            print(f"{network} {key[1]} {key[2]}: {rows[key].latency_ms:.4g} ms, {spent:.1f} s here", flush=True)


if __name__ == "__main__":
    main()
