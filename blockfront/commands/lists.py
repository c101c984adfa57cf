"""`bench targets`, `blocks`, `spaces`, `datasets`, `runners`, `columns`: what there is to name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from blockfront.commands.options import Debug, Json


def targets(
    name: Annotated[str | None, typer.Argument(help="A target, to see where each of its figures is from.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the hardware that networks can be compiled for, or one target's figures with their sources."""
    import msgspec

    from blockfront.targets import ACCELERATORS, FIGURES, TARGETS, Accelerator, find_hardware
    from blockfront.targets.latency.accelerators import INSTALL, installed
    from blockfront.targets.latency.accelerators import figures as accelerator_figures

    if name is not None:
        target = find_hardware(name)
        figures = (
            accelerator_figures(target)
            if isinstance(target, Accelerator)
            else {figure: (getattr(target, figure), target.source_of(figure)) for figure in FIGURES}
        )
        rows = [
            {"figure": figure, "value": value, "source": source}
            for figure, (value, source) in figures.items()
            if value not in ((), None)
        ]
    elif json:
        everything = sorted([*TARGETS.items(), *ACCELERATORS.items()])
        rows = [{"target": known, **msgspec.to_builtins(target)} for known, target in everything]
    else:
        rows = [
            {"target": known, "title": target.title, "cores": target.cores, "clock GHz": target.clock_ghz, "remark": ""}
            for known, target in sorted(TARGETS.items())
        ]
        remark = "simulated" if installed() else f"simulated; needs {INSTALL}"
        rows += [
            {"target": known, "title": target.title, "cores": "", "clock GHz": target.clock_ghz, "remark": remark}
            for known, target in sorted(ACCELERATORS.items())
        ]
    _show(rows, json)


def blocks(json: Json = False, debug: Debug = False) -> None:
    """List the building blocks and their options."""
    from blockfront.blocks import BLOCKS

    rows = [
        {
            "block": name,
            "title": block.title,
            "options": dict(block.options) if json else _options(block.options),
            "source": block.source,
        }
        for name, block in BLOCKS.items()
    ]
    _show(rows, json)


def spaces(json: Json = False, debug: Debug = False) -> None:
    """List the design spaces."""
    from blockfront.design_space import SPACES

    _show([{"space": name, "title": preset.title} for name, preset in SPACES.items()], json)


def datasets(json: Json = False, debug: Debug = False) -> None:
    """List the data sets that networks can be trained on."""
    from blockfront.training import DATASETS

    rows = [
        {
            "dataset": f"{name}:{source.takes}" if source.takes else name,
            "title": source.title,
            "num_classes": source.num_classes,
            "how": source.how,
        }
        for name, source in DATASETS.items()
    ]
    _show(rows, json)


def runners(json: Json = False, debug: Debug = False) -> None:
    """List the ways to get a latency."""
    from blockfront.targets import RUNNERS

    rows = [
        {"runner": name, "latency_source": runner.source, "title": runner.title} for name, runner in RUNNERS.items()
    ]
    _show(rows, json)


def columns(json: Json = False, debug: Debug = False) -> None:
    """List the columns of a study's table: names, units and meanings."""
    from blockfront.results import COLUMNS

    _show([{"column": name, "unit": column.unit, "meaning": column.title} for name, column in COLUMNS.items()], json)


def _show(rows: Sequence[Mapping[str, Any]], json: bool) -> None:
    """Rows that share their keys, as JSON or as a table."""
    from blockfront.console.tables import print_json, print_table

    if json:
        print_json(rows)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


def _options(options: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())
