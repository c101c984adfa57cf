"""`bench show`: everything known of one network."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from blockfront.commands.options import Debug, Json, Storage
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE

_LAYERS = 5


def show(
    network_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a network, or its first digits.")],
    study: Annotated[str | None, typer.Option(help="Look in this study only.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a network: its text, sizes, latency and its samples, accuracy, and kernels by time with their rates."""
    from blockfront.console.tables import print_json, print_line
    from blockfront.study.lookup import find_network

    found = find_network(network_id, storage, study)
    if json:
        print_json(found)
        return
    for i, one in enumerate(found):
        if i:
            print_line()
        _print(one)


def _print(found: dict[str, Any]) -> None:
    from blockfront.console.kernel_table import print_kernels
    from blockfront.console.tables import print_line, print_table, print_visits
    from blockfront.results import COLUMNS

    shown = [column for name, column in COLUMNS.items() if name != "network" and found[name] is not None]
    print_line(found["network"])
    print_table(["", "", ""], [(one.name, _rounded(found[one.name], one.kind), one.unit) for one in shown])
    if versions := found.get("versions"):
        print_line(f"made by {', '.join(f'{name} {version}' for name, version in versions.items())}")
    samples = found["latency_samples_ms"]
    if samples:
        spread = f"{min(samples):.4g} to {max(samples):.4g} ms"
        print_line(f"{counted(len(samples), 'sample')}, {spread}")
    layers = found["adaptations"].get("int8", {}).get("artefact", {}).get("layers", [])
    if layers:
        worst = [(layer["name"], layer["what"], f"{layer['snr_db']:.1f}") for layer in layers[:_LAYERS]]
        print_table(
            ["layer", "", "dB"], worst, title="what int8 costs most: dB that a layer alone leaves of the outputs"
        )
    print_visits(found["visits"])
    print_kernels(found)


def _rounded(value: object, kind: str) -> str:
    """A cell; --json has all digits."""
    return f"{value:.5g}" if kind == "real" else f"{value}"
