"""`bench take`: a network to deploy, as files that need nothing of this suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from blockfront.commands.options import Channels, Debug, InputSize, Json, OwnBlocks, Quiet, Resolution, Storage
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE


def take(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK|MODEL",
            help="A network's id or text, or a model as `bench profile` takes it.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="New folder for the files.")],
    target: Annotated[str, typer.Option(help="Processor: a name of `bench targets`, or file.py:name.")] = "host",
    threads: Annotated[
        int | None, typer.Option(help="Threads of the C library (default: all cores of the target).")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Number format of the C library: float32, float16, or int8 of weights that a study in int8 kept "
            "(default: int8 of such weights, else float32)."
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Trained weights: safetensors, torch.save's of a state_dict, a name of `bench pretrained`, or "
            "timm:NAME (default: random ones).",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the C library's names begin with.")] = "net",
    resolution: Resolution = None,
    input_size: InputSize = None,
    channels: Channels = None,
    space: OwnBlocks = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a network to a folder: weights, ONNX, and a C library without Python or TVM, compared with torch."""
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.design_space.image_size import ImageSize
    from blockfront.services.take import network_to_take, take_network, weights_of
    from blockfront.targets import get_processor

    found = network_to_take(model, storage, ImageSize.asked(resolution, input_size, channels), space)
    kept = None if weights else found.weights or weights_of(found, storage, precision)
    chosen = weights or (None if kept is None else str(kept))
    progress = choose_progress(quiet=quiet)
    taken = take_network(found, get_processor(target), threads, chosen, output, name, progress, precision)
    if json:
        print_json(taken)
    else:
        _print(taken)


def _print(taken: dict[str, Any]) -> None:
    from blockfront.console.tables import print_line
    from blockfront.python_file import is_file_reference

    own = is_file_reference(taken["model"]) or taken["model"].lower().endswith(".onnx")
    weights = taken["weights"] or (
        "as the file gives them" if own else "random; give those of a training with --weights"
    )
    print_line(f"{taken['model']} for {taken['target']}, in {taken['folder']}: {', '.join(taken['files'])}")
    print_line(f"weights      {weights}")
    ranges = "" if taken["calibration"] is None else f", ranges of {taken['calibration']}"
    print_line(f"precision    {taken['precision']}{ranges}")
    function, *others = taken["functions"]
    print_line(f"C library    {function}, on {counted(taken['threads'], 'thread')}")
    for one in others:
        print_line(f"             {one}")
    print_line(f"flash        {_kib(taken['code_bytes'])} of code and {_kib(taken['weights_bytes'])} of weights")
    print_line(f"workspace    {_kib(taken['workspace_bytes'])}")
    if taken["library_ran"] is None:
        print_line(f"against torch  not run here; its schedules differ by {taken['schedules_rel_error']:.1e}")
    else:
        print_line(f"against torch  relative error {taken['library_rel_error']:.1e}, {taken['library_ran']}")
    if taken["onnx_left_out"]:
        print_line(f"model.onnx   left out: {taken['onnx_left_out']}")
    elif taken["onnx_rel_error"] is None:
        print_line("model.onnx   not compared with torch: ONNX Runtime is not installed")
    else:
        print_line(f"model.onnx   relative error {taken['onnx_rel_error']:.1e}, in ONNX Runtime")
    if taken["instructions"] is not None:
        print_line(f"instructions {taken['instructions']:,} an inference, counted under QEMU")
    for where, line in taken["build"].items():
        print_line(f"example      {line}  ({where})")


def _kib(size: int) -> str:
    return f"{size / 1024:,.0f} KiB"
