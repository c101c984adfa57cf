"""Latencies that another tool measured of networks handed out, as a study of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from blockfront.errors import UsageError
from blockfront.results.latency import ELSEWHERE, Latency
from blockfront.services.hand_out import MANIFEST, Manifest
from blockfront.services.latency_sheet import check_units, read_latencies
from blockfront.services.sheet import load_sheet

RUNNER = "hand-in"


@dataclass(frozen=True)
class Told:
    """What is told of latencies from elsewhere: on which target they were measured, by which tool, and how.

    `target` need not be in the catalogue. `precision` is the number format that the tool ran the networks in, that of
    the study that was handed out where nobody says.
    """

    target: str
    tool: str
    precision: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for option, text in (("--target", self.target), ("--tool", self.tool), ("--precision", self.precision)):
            if text is not None and not (text.strip() and text.isprintable()):
                raise UsageError(f"{option} needs a name")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads must be 1 or more, not {self.threads}")

    def study_of(self, space: str) -> str:
        """The name of a study of these latencies, unless somebody names another."""
        words = space, self.target, *(() if self.precision in (None, "float32") else (self.precision,)), self.tool
        return "-".join(re.sub(r"[^\w.]+", "_", word).strip("_") for word in words)

    def latency(self, ms: float, sheet: Path) -> Latency:
        """One network's; nothing but its time is known."""
        return Latency(
            source=ELSEWHERE,
            runner=RUNNER,
            toolchain=self.tool,
            target=self.target,
            device=self.target,
            threads=self.threads,
            median_ms=ms,
            conditions={"handed in": sheet.name},
            precision=self.precision or "float32",
        )


@dataclass(frozen=True)
class HandedIn:
    """The new study, the one its networks are of, and how many of them have a latency and how many failed.

    `precision` is of the latencies, `accuracies` the number format that the accuracies are of. `notes` are what a
    reader is to be told, in lines.
    """

    study: str
    of: str
    networks: int
    failed: int
    known_target: bool
    precision: str
    accuracies: str
    notes: tuple[str, ...]


def hand_in(
    sheet: Path, told: Told, storage: str, *, unit: str | None = None, study: str | None = None, as_given: bool = False
) -> HandedIn:
    """Make a study of the latencies in a sheet that `hand_out` wrote, with costs and accuracies of the original study.

    Raises UsageError for a sheet that is wrong (`load_sheet`, `read_latencies`), that looks as if it mixed units unless
    `as_given` (`check_units`), and for a study that is there already; nothing is written then.
    """
    from blockfront.study.copying import copy_study
    from blockfront.study.settings import read_settings
    from blockfront.study.storage import open_study, opened
    from blockfront.targets import HARDWARE, TOOLCHAINS

    table = load_sheet(sheet)
    manifest = read_manifest(sheet.parent)
    filled = read_latencies(table, unit, {one.id: one.file for one in manifest.networks})
    given, notes = filled.latencies, filled.notes
    measured = {network_id: ms for network_id, ms in given.items() if ms is not None}
    known_target = told.target in HARDWARE
    if told.tool in TOOLCHAINS:
        raise UsageError(f"{told.tool} is a toolchain of this suite; name the tool that measured with its version")
    with opened(storage) as opened_storage:
        original = read_settings(open_study(opened_storage, manifest.study))
        precision = told.precision or original.precision
        if told.precision is None and precision != "float32":
            notes = (*notes, f"taken for {precision}, as {manifest.study} is: --precision says what was measured")
        told = replace(told, precision=precision)
        settings = replace(
            original,
            target=told.target,
            target_definition=HARDWARE[told.target].definition() if known_target else {"name": told.target},
            runner=RUNNER,
            toolchain=told.tool,
            precision=precision,
            threads=told.threads,
            tuned=None,
            core_model=None,
            objectives=("latency_ms", *original.objectives[1:]),
        )
        name = study or told.study_of(original.space)

        def check(macs: Mapping[str, int]) -> None:
            if not as_given:
                check_units(measured, macs)

        latencies = {network_id: told.latency(ms, sheet) for network_id, ms in measured.items()}
        copy_study(opened_storage, manifest.study, name, settings, {**dict.fromkeys(given), **latencies}, check)
    counts = len(given), len(given) - len(measured)
    return HandedIn(name, manifest.study, *counts, known_target, precision, original.precision, notes)


def read_manifest(folder: Path) -> Manifest:
    """What `hand_out` wrote into a folder; raises UsageError where it did not."""
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError:
        raise UsageError(f"there is no {path}: give the sheet in the folder that bench hand-out wrote") from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path} is not as bench hand-out wrote it: {error}") from error
