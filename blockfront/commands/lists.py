"""`bench targets`, `blocks`, `spaces`, `datasets`, `tasks`, `toolchains`, `runners`, `columns`: what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import DataDir, Debug, Json

if TYPE_CHECKING:
    from blockfront.training import Dataset


def targets(
    name: Annotated[str | None, typer.Argument(help="A target, to see where each of its figures is from.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the hardware that networks can be made ready for, or one target's figures with their sources."""
    import msgspec

    from blockfront.targets import HARDWARE, find_hardware

    if name is not None:
        figures = find_hardware(name).figures()
        rows = [{"figure": figure, "value": value, "source": source} for figure, (value, source) in figures.items()]
    elif json:
        rows = [{"target": known, **msgspec.to_builtins(HARDWARE[known])} for known in sorted(HARDWARE)]
    else:
        rows = [HARDWARE[known].row() for known in sorted(HARDWARE)]
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


def datasets(
    ref: Annotated[
        str | None, typer.Argument(help="A data set, such as folder:PATH, to see what would be read of it.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the data sets that networks can be trained on, or the classes of one, their images and what is left out.

    Yours: folder:PATH with one sub-folder a class, of pictures at any depth, below train/ and val/ (or test/), or
    alone, when a fifth of each class is for testing; coco:PATH and voc:PATH with boxes, coco_instances:PATH with masks
    of objects too; masks:PATH and ade20k:PATH with a mask for each picture; hfds/NAME from the local cache of Hugging
    Face. Others by name, some with --data-dir.
    """
    from blockfront.training import DATASETS, get_dataset

    if ref is not None:
        _show_dataset(get_dataset(ref, data_dir), json)
        return
    rows = [
        {
            "dataset": source.form,
            "title": source.title,
            "task": source.task,
            "num_classes": source.num_classes,
            "how": source.how,
        }
        for source in DATASETS.values()
    ]
    _show(rows, json)


def _show_dataset(dataset: Dataset, json: bool) -> None:
    from blockfront.console.tables import print_json, print_line, print_table

    classes: list[dict[str, object]] = [
        {"class": one.name, "train_images": one.train, "test_images": one.test} for one in dataset.classes
    ]
    for row, one in zip(classes, dataset.classes, strict=True):
        if one.pixels is not None:
            row["pixels"] = one.pixels if json else f"{one.pixels:.2%}"
    if json:
        keys = ("path", "task", "num_classes", "resolution", "train_images", "test_images", "fingerprint", "notes")
        print_json({"dataset": dataset.ref, **{key: getattr(dataset, key) for key in keys}, "classes": classes})
        return
    if classes:
        print_table(list(classes[0]), [list(row.values()) for row in classes])
        print_line()
    for line in dataset.summary(0):
        print_line(line)


def recipes(json: Json = False, debug: Debug = False) -> None:
    """List how networks can be trained: names for --recipe, and the fields of each; --set changes one."""
    from dataclasses import asdict

    from blockfront.training import RECIPES, Recipe

    def fields(recipe: Recipe) -> str | dict[str, object]:
        return asdict(recipe) if json else " ".join(f"{name}={value}" for name, value in asdict(recipe).items())

    rows = [
        {"recipe": name, "dataset": dataset, "title": named.title, "hash": recipe.hash, "fields": fields(recipe)}
        for name, named in RECIPES.items()
        for dataset, recipe in [("any other" if named.on else "any", named.recipe), *named.on.items()]
    ]
    _show(rows, json)


def tasks(json: Json = False, debug: Debug = False) -> None:
    """List what networks can be trained for, and the metrics that each task gives, its value first."""
    from blockfront.tasks import TASKS

    rows = [
        {
            "task": name,
            "title": task.title,
            "text": f"{task.tag}<outputs>",
            "metrics": list(task.metrics) if json else " ".join(task.metrics),
        }
        for name, task in TASKS.items()
    ]
    _show(rows, json)


def toolchains(json: Json = False, debug: Debug = False) -> None:
    """List what makes networks ready for hardware, in which number formats, and its version or how to install it."""
    from blockfront.errors import UsageError
    from blockfront.targets import TOOLCHAINS, Toolchain
    from blockfront.targets.latency.toolchain import packages

    def versions(toolchain: Toolchain[Any, Any]) -> str:
        try:
            return packages(toolchain)
        except UsageError as error:
            return str(error)

    rows = [
        {
            "toolchain": name,
            "title": toolchain.title,
            "precisions": list(toolchain.precisions) if json else ", ".join(toolchain.precisions),
            "versions": versions(toolchain),
        }
        for name, toolchain in TOOLCHAINS.items()
    ]
    _show(rows, json)


def runners(json: Json = False, debug: Debug = False) -> None:
    """List the ways to get a latency."""
    from blockfront.targets import METERS

    rows = [{"runner": name, "latency_source": meter.source, "title": meter.title} for name, meter in METERS.items()]
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
