"""Which known networks compile and agree with torch: timm's architectures, and torchvision's.

    python benchmarks/zoo.py run --file zoo.jsonl
    python benchmarks/zoo.py run --file zoo.jsonl --collection torchvision
    python benchmarks/zoo.py table --file zoo.jsonl

Every name that is no larger than `--gmacs` at its own resolution is compiled for each of `--targets` on one thread and
compared with torch, weights and statistics at random. What torchvision has that is larger is tried at the first of a
few smaller sizes that fits, which `table` counts apart; its detectors are tried as bodies, which is the backbone with
its pyramid and the heads over all of it: the boxes that are left over from others have no fixed number. The names come
in a random order of a fixed seed, so that the rows of a run that was stopped are a sample of all; the same command goes
on. A network has `--minutes`; what takes longer, or ends its process, has that as its reason. Kernels without a
schedule are named, and where there are some the network is measured here, kernel by kernel, for the share of its time
that they take. `table` prints what is in docs/zoo.md.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from blockfront.design_space.models import Model

TARGETS = ("host", "rpi5")
LARGE = "too large"
SMALLER = (224, 128, 64)
BODY = " body"


def names_of(collection: str) -> list[str]:
    """What `bench profile` calls the collection's networks, in the order in which they are tried."""
    if collection == "timm":
        import timm

        names = timm.list_models()
    else:
        from torchvision import models

        whole = [*models.list_models(module=models), *models.list_models(module=models.segmentation)]
        bodies = [name + BODY for name in models.list_models(module=models.detection)]
        names = [f"torchvision:{name}" for name in whole + bodies]
    random.Random(0).shuffle(names)
    return names


def family_of(name: str) -> str:
    """The module of timm or torchvision that defines the network."""
    if name.startswith("torchvision:"):
        from torchvision import models

        plain = name.removeprefix("torchvision:").removesuffix(BODY)
        return models.get_model_builder(plain).__module__.removeprefix("torchvision.models.")
    import timm

    return timm.models.model_entrypoint(name).__module__.rpartition(".")[2]


class Body(nn.Module):
    """What a detector of torchvision computes of an image before it chooses boxes."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.rpn.head if hasattr(detector, "rpn") else detector.head

    def forward(self, image: Tensor) -> Any:
        return self.head(list(self.backbone(image).values()))


def model_of(name: str, resolution: int | None = None) -> Model:
    """The network that a row is about, at its own resolution or another."""
    from torchvision import models

    from blockfront.design_space.image_size import ImageSize
    from blockfront.design_space.models import Model, find_model
    from blockfront.signature import Signature

    size = ImageSize.asked(resolution, None, None)
    if not name.endswith(BODY):
        return find_model(name, size)

    def detector() -> Any:
        return models.get_model(name.removeprefix("torchvision:").removesuffix(BODY), weights_backbone=None)

    resizing = detector().transform
    own = Signature.image(*(resizing.fixed_size or resizing.min_size[-1:]))
    return Model(name, lambda: Body(detector()), size.of(own))


def macs_on_meta(model: Model) -> int | None:
    """MACs without computing anything; None of what does not run on torch's meta device."""
    import torch

    from blockfront.design_space import count_cost

    try:
        with torch.device("meta"):
            module = model.build().eval()
        return count_cost(module, model.signature).macs
    except Exception:
        return None


def attempt(name: str, targets: tuple[str, ...], gmacs: float) -> dict[str, Any]:
    """What becomes of a network on each target, and its MACs."""
    import torch

    from blockfront.services.deployed import build_model

    torch.set_num_threads(1)
    model = model_of(name)
    macs = macs_on_meta(model)
    size = {}
    if name.startswith("torchvision:"):
        for resolution in SMALLER:
            if macs is None or macs <= gmacs * 1e9:
                break
            smaller = model_of(name, resolution)
            if (fewer := macs_on_meta(smaller)) is not None:  # Else it takes one size alone.
                model, macs, size = smaller, fewer, {"smaller": True}
    if macs is not None and macs > gmacs * 1e9:
        return {"gmacs": macs / 1e9, "targets": {}, "reason": LARGE}
    module, cost = build_model(model)
    if cost.macs > gmacs * 1e9:
        return {"gmacs": cost.macs / 1e9, "targets": {}, "reason": LARGE}
    found = {target: _compiled(module, model.signature, target) for target in targets}
    return {"gmacs": cost.macs / 1e9, "input": str(model.signature), **size, "targets": found}


def _compiled(module: Any, signature: Any, target: str) -> dict[str, Any]:
    from blockfront.errors import RunError
    from blockfront.targets import Asked, choose, get_target

    began = time.perf_counter()
    means = choose(Asked(get_target(target), threads=1), runner="roofline")
    try:
        program = means.prepare(module, signature, 0)
    except RunError as error:
        return {"reason": str(error), "s": time.perf_counter() - began}
    unscheduled = {kernel.name: kernel.reason for kernel in program.kernels if kernel.rule is None}
    row = {
        "s": time.perf_counter() - began,
        "kernels": len(program.kernels),
        "max_rel_error": program.max_rel_error,
        "unscheduled": unscheduled,
    }
    if unscheduled and means.options.target.local:
        latency = choose(Asked(get_target(target), threads=1), runner="local").latency(program)
        row["unscheduled_share"] = sum(kernel.share for kernel in latency.kernels if kernel.name in unscheduled)
    return row


def run(file: Path, collection: str, targets: tuple[str, ...], gmacs: float, minutes: float, workers: int) -> None:
    """Try what `file` has not yet, a line for each."""
    from rich.progress import track

    from blockfront.sweep.cluster import embedded_cluster
    from blockfront.sweep.pool import Pool, WorkerCall

    done = {row["model"] for row in read(file)}
    names = [name for name in names_of(collection) if name not in done]
    tasks = [WorkerCall(i, attempt, (name, targets, gmacs)) for i, name in enumerate(names)]
    versions = {name: version(name) for name in ("torch", "timm", "torchvision", "apache-tvm")}
    with embedded_cluster(workers, 1) as client, file.open("a") as out:
        for outcome in track(Pool(client, workers).run(tasks, 60 * minutes), "networks", len(tasks)):
            name = names[outcome.number]
            row = {"reason": outcome.reason, "targets": {}} if outcome.future is None else outcome.result()
            out.write(json.dumps({"model": name, "family": family_of(name), **row, "versions": versions}) + "\n")
            out.flush()


def read(file: Path) -> list[dict[str, Any]]:
    """The rows so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """By family: how many compile and agree for each target; then each that does not, with its reason."""
    tried = [row for row in rows if row.get("reason") != LARGE]
    targets = list(dict.fromkeys(target for row in tried for target in row["targets"]))
    smaller = sum(row.get("smaller", False) for row in tried)
    yield f"{len(rows)} networks tried, of which {len(rows) - len(tried)} are too large" + (
        f"; {smaller} at a smaller size than their own." if smaller else "."
    )
    yield ""
    yield f"| family | networks | {' | '.join(targets)} | kernels | without a schedule |"
    yield f"|---|---|{'---|' * len(targets)}---|---|"
    families = sorted({row["family"] for row in tried})
    for family in families:
        yield _line(family, [row for row in tried if row["family"] == family], targets)
    yield _line("**all**", tried, targets)
    yield ""
    for row in tried:
        if "reason" in row:
            yield f"- `{row['model']}`: {row['reason']}"
        for reason, where in _by_reason(row["targets"]).items():
            yield f"- `{row['model']}` ({', '.join(where)}): {reason}"
    loose = [row for row in tried if any(found.get("unscheduled") for found in row["targets"].values())]
    yield ""
    yield f"{len(loose)} networks have kernels without a schedule:"
    for row in loose:
        kinds = {reason for found in row["targets"].values() for reason in found.get("unscheduled", {}).values()}
        share = row["targets"].get("host", {}).get("unscheduled_share")
        told = "" if share is None else f", {share:.1%} of the time on this machine"
        yield f"- `{row['model']}`{told}: {'; '.join(sorted(kinds))}"


def _line(title: str, rows: list[dict[str, Any]], targets: list[str]) -> str:
    found = {target: [row["targets"][target] for row in rows if target in row["targets"]] for target in targets}
    agree = [f"{sum('reason' not in one for one in found[target])}" for target in targets]
    programs = [one for ones in found.values() for one in ones if "reason" not in one]
    kernels = sum(one["kernels"] for one in programs)
    loose = sum(len(one["unscheduled"]) for one in programs)
    return f"| {title} | {len(rows)} | {' | '.join(agree)} | {kernels} | {loose} |"


def _by_reason(found: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for target, one in found.items():
        if "reason" in one:
            reasons.setdefault(one["reason"].replace(f"for {target} ", ""), []).append(target)
    return reasons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--file", type=Path, required=True, help="a line of JSON for each network")
    parser.add_argument("--collection", choices=("timm", "torchvision"), default="timm")
    parser.add_argument("--targets", nargs="+", default=TARGETS)
    parser.add_argument("--gmacs", type=float, default=5.0)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    if args.what == "table":
        print("\n".join(table(read(args.file))))
    else:
        run(args.file, args.collection, tuple(args.targets), args.gmacs, args.minutes, args.workers)


if __name__ == "__main__":
    main()
