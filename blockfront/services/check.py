"""Networks against the operators that NPUs take, as far as their vendors' documents say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.design_space.image_size import ImageSize
    from blockfront.design_space.models import Model
    from blockfront.targets.npu import NpuCheck, NpuList
    from blockfront.targets.npu.checking import Placed, Verdict


def npu_rows(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The NPUs of these names, or all that there is a list of, with the documents it is from."""
    from blockfront.targets.npu import get_npu, known_npus

    return [
        {
            "npu": npu.name,
            "also": list(npu.also),
            "title": npu.title,
            "vendor": npu.vendor,
            "sizes": npu.sizes,
            "documents": [
                {"where": one.where, "version": one.version, "date": one.date, "says": one.says}
                for one in npu.documents
            ],
        }
        for npu in (map(get_npu, names) if names else known_npus().values())
    ]


def check_model(model: Model, npus: Sequence[NpuList]) -> list[NpuCheck]:
    """A model as it is deployed, with the weights of seed 0, against each NPU's list; raises RunError as a profile."""
    from blockfront.services.deployed import build_model
    from blockfront.targets.npu import check_module
    from blockfront.training import seeded

    with seeded(0):
        module, _ = build_model(model)
    return check_module(module, model.signature, npus)


def check_study(
    study: str, storage: str, npus: Sequence[NpuList], size: ImageSize, progress: Progress
) -> dict[str, dict[str, list[NpuCheck]]]:
    """The complete networks of a study, by NPU and family. Raises UsageError where there are none."""
    from blockfront.design_space.models import find_model
    from blockfront.study.lookup import complete_networks

    rows = complete_networks(study, storage)
    found: dict[str, dict[str, list[NpuCheck]]] = {npu.name: {} for npu in npus}
    with progress.stage("check", len(rows)) as advance:
        for text, family in zip(rows["network"], rows["family"], strict=True):
            for check in check_model(find_model(str(text), size), npus):
                found[check.npu.name].setdefault(str(family), []).append(check)
            advance()
    return found


def check_row(check: NpuCheck) -> dict[str, Any]:
    """A check as one JSON object: shares by verdict, and what is not known to run on the NPU, by name."""
    verdicts: tuple[Verdict, ...] = ("npu", "processor", "not said")
    return {
        "npu": check.npu.name,
        "title": check.npu.title,
        "runs_on": check.verdict,
        "macs": {verdict: check.mac_share(verdict) for verdict in verdicts},
        "layers": {verdict: check.layers(verdict) for verdict in verdicts},
        "operators": {verdict: len(check.of(verdict)) for verdict in verdicts},
        "causes": dict(check.causes.most_common()),
        "falls_back": named(check.of("processor")),
        "not_said": named(check.of("not said")),
    }


def named(judged: Iterable[Placed]) -> list[dict[str, Any]]:
    """Operators of one name and reason in one line with their number, in the order in which they first occur."""
    counts = Counter((one.use.name, one.why, one.led) for one in judged)
    return [{"operator": name, "calls": n, "why": why, "follows": led} for (name, why, led), n in counts.items()]


def family_rows(families: Mapping[str, Sequence[NpuCheck]]) -> list[dict[str, Any]]:
    """For each family how many networks run wholly on the NPU, the MACs it takes, and what falls back most often."""
    rows = []
    for family, checks in sorted(families.items()):
        causes = Counter(kind for check in checks for kind in set(check.causes))
        open_kinds = Counter(kind for check in checks for kind in {one.use.kind for one in check.of("not said")})
        verdicts = Counter(check.verdict for check in checks)
        rows.append(
            {
                "family": family,
                "networks": len(checks),
                "wholly_on_npu": verdicts["npu"],
                "not_said": verdicts["not said"],
                "falls_back": verdicts["processor"],
                "mac_share": median(check.mac_share("npu") for check in checks),
                "causes": dict(causes.most_common()),
                "open": dict(open_kinds.most_common()),
            }
        )
    return rows
