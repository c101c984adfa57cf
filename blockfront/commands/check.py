"""`bench check`: which operators of a network an NPU takes, by its vendor's documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import Channels, Debug, InputSize, Json, Quiet, Resolution, Storage
from blockfront.errors import UsageError
from blockfront.study.storage import DEFAULT_STORAGE

if TYPE_CHECKING:
    from blockfront.targets.npu import NpuCheck, NpuList

_VERDICTS = {"npu": "wholly on the NPU", "processor": "falls back in part", "not said": "not said for all of it"}
_SHOWN = 3


def check(
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY|NETWORK|MODEL",
            help="A study, a network's id or text, or a model as `bench profile` takes it.",
        ),
    ] = None,
    npu: Annotated[list[str] | None, typer.Option(help="NPU, a name of --list; may be given again.")] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the NPUs, and the documents their lists are from.")
    ] = False,
    resolution: Resolution = None,
    input_size: InputSize = None,
    channels: Channels = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say which operators of a network an NPU takes and which fall back to the processor, by its vendor's documents.

    Nothing is compiled or timed. What no document says is "not said", and never taken for yes.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json, print_line

    if listed:
        _list(npu or (), json)
        return
    if ref is None or not npu:
        raise UsageError("name a study, a network or a model, and an NPU with --npu; bench check --list has the NPUs")

    from blockfront.design_space.image_size import ImageSize
    from blockfront.services.check import check_model, check_row, check_study, family_rows
    from blockfront.study.lookup import find_models, known_studies
    from blockfront.targets.npu import get_npu

    npus = [get_npu(name) for name in dict.fromkeys(npu)]
    size = ImageSize.asked(resolution, input_size, channels)
    if ref in known_studies(storage):
        found = check_study(ref, storage, npus, size, choose_progress(quiet=quiet))
        tables = {name: family_rows(families) for name, families in found.items()}
        if json:
            print_json({"study": ref, "npus": tables})
            return
        for one in npus:
            _print_families(ref, one, tables[one.name])
        return
    (model,) = find_models(ref, storage, size)
    checks = check_model(model, npus)
    if json:
        print_json({"model": model.name, "input": str(model.signature), "npus": [check_row(one) for one in checks]})
        return
    print_line(f"{model.name} at {model.signature.size}, by the documents of the vendors alone; nothing was run")
    _print_summary(checks)
    for checked in checks:
        _print_named(checked)


def _list(npus: Sequence[str], json: bool) -> None:
    from blockfront.console.tables import print_json, print_line, print_table
    from blockfront.services.check import npu_rows

    rows = npu_rows(npus)
    if json:
        print_json(rows)
        return
    print_table(
        ["npu", "or", "title", "vendor", "limits of sizes"],
        [(row["npu"], ", ".join(row["also"]), row["title"], row["vendor"], row["sizes"]) for row in rows],
    )
    documents = {
        (row["vendor"], one["where"], one["version"], one["date"], one["says"])
        for row in rows
        for one in row["documents"]
    }
    for vendor, where, version, date, says in sorted(documents):
        print_line(f"{vendor}: {where} (version {version}, {date}): {says}")


def _print_summary(checks: Sequence[NpuCheck]) -> None:
    from blockfront.console.tables import print_table

    print_table(
        ["npu", "", "MACs on it", "layers", "operators", "falls back", "not said"],
        [
            (
                one.npu.name,
                _VERDICTS[one.verdict],
                f"{one.mac_share('npu'):.1%}",
                f"{one.layers('npu')} of {sum(judged.use.macs > 0 for judged in one.operators)}",
                f"{len(one.of('npu'))} of {len(one.operators)}",
                len(one.of("processor")),
                len(one.of("not said")),
            )
            for one in checks
        ],
    )


def _print_named(check: NpuCheck) -> None:
    from blockfront.console.tables import print_line, print_table
    from blockfront.services.check import named

    for title, judged in (("falls back", check.of("processor")), ("not said", check.of("not said"))):
        rows = [(row["operator"], row["calls"], row["why"]) for row in named(judged) if not row["follows"]]
        if led := sum(one.led for one in judged):
            rows.append(("all that reads from these", led, check.npu.one_piece))
        if rows:
            print_line()
            print_table([f"{check.npu.name}: {title}", "calls", "why"], rows)


def _print_families(study: str, npu: NpuList, rows: Sequence[Mapping[str, Any]]) -> None:
    from blockfront.console.tables import print_table

    print_table(
        [
            "family",
            "networks",
            "wholly on it",
            "not said",
            "falls back",
            "MACs on it",
            "what falls back",
            "not said of",
        ],
        [
            (
                row["family"],
                row["networks"],
                row["wholly_on_npu"],
                row["not_said"],
                row["falls_back"],
                f"{row['mac_share']:.1%}",
                _most(row["causes"]),
                _most(row["open"]),
            )
            for row in rows
        ],
        title=f"{study} on {npu.title} ({npu.name}), networks of each family; the median's MACs",
    )


def _most(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in list(kinds.items())[:_SHOWN])
