"""`bench profile`: the latency of one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from blockfront.commands.options import (
    Channels,
    Cooldown,
    Database,
    Debug,
    Hardware,
    InputSize,
    Json,
    Precision,
    Quiet,
    Resolution,
    Runner,
    Threads,
    Toolchain,
    Tracker,
    Tuned,
)
from blockfront.plurals import counted


def profile(
    model: Annotated[
        str,
        typer.Argument(
            help="A timm name, torchvision:NAME, file.onnx, file.py:factory, a network's text, or file.safetensors, "
            "weights that name their network."
        ),
    ],
    target: Hardware = "host",
    threads: Threads = None,
    toolchain: Toolchain = "auto",
    precision: Precision = None,
    runner: Runner = "auto",
    tracker: Tracker = None,
    cooldown: Cooldown = 0,
    tuned: Tuned = False,
    database: Database = None,
    resolution: Resolution = None,
    input_size: InputSize = None,
    channels: Channels = None,
    reduction: Annotated[
        Path | None, typer.Option(help="File of `bench tokens` by which a transformer's tokens are reduced.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Of a trained detector, as in a .safetensors file: images to time its post-processing on, as scenes."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="With --dataset, of torchvision's detector: a file of its trained weights.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Images in one inference; above 1 only where it is measured.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compile one model for a target, compare it with torch, and show its latency and its kernels by time."""
    from dataclasses import replace

    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.design_space.image_size import ImageSize
    from blockfront.design_space.models import find_model
    from blockfront.errors import UsageError
    from blockfront.services.profile import profile_model
    from blockfront.targets import Asked, choose, find_hardware
    from blockfront.targets.tuning.database import find_traces
    from blockfront.training import get_dataset

    progress = choose_progress(quiet=quiet)
    traces = find_traces(tuned, database)
    means = choose(Asked(find_hardware(target), threads, precision, tracker, cooldown, traces), toolchain, runner)
    found = find_model(model, ImageSize.asked(resolution, input_size, channels), reduction)
    if weights is not None:
        if dataset is None or found.weights is not None:
            raise UsageError("--weights is for --dataset and torchvision's detectors; latencies do not depend on them")
        found = replace(found, weights=weights)
    if means.notice:
        progress.note(means.notice)
    profiled = profile_model(found, means, progress, None if dataset is None else get_dataset(dataset), batch)
    if json:
        print_json(profiled)
    else:
        _print(profiled, found.signature.size)


def _print(profiled: dict[str, Any], size: str) -> None:
    from blockfront.console.kernel_table import print_kernels
    from blockfront.console.tables import error_line, interval_line, print_line, print_visits

    made_by = profiled["predictor"] or profiled["runner"]
    interval = ""
    if profiled["latency_ci95_low_ms"] is not None:
        low, high = profiled["latency_ci95_low_ms"], profiled["latency_ci95_high_ms"]
        interval = f", 95 % interval {low:.4g} to {high:.4g}"
    print_line(f"{profiled['model']} at {size} on {profiled['target']}")
    print_line(f"latency      {profiled['latency_ms']:.4g} ms ({profiled['latency_source']}, {made_by}){interval}")
    if profiled["total_ms"] is not None:
        print_line(
            f"from image to boxes  {profiled['total_ms']:.4g} ms: the latency, and {profiled['postprocess_ms']:.4g} ms "
            f"of what follows, with {counted(round(profiled['candidates']), 'candidate')} for suppression"
        )
    elif profiled["total_missing"] is not None:
        print_line(f"to boxes     not timed: {profiled['total_missing']} (--dataset)")
    if profiled["batch"] != 1:
        print_line(f"throughput   {profiled['images_per_s']:.4g} images a second, {profiled['batch']} at once")
    if profiled["toolchain"] != "tvm":
        versions = ", ".join(f"{name} {version}" for name, version in profiled["versions"].items())
        print_line(f"toolchain    {profiled['toolchain']} ({versions})")
    if profiled["prediction_basis"] is not None:
        print_line(f"error        {error_line(profiled)}")
    between = interval_line(profiled)
    if between is not None:
        print_line(f"interval     {between}")
    if profiled["energy_mj"] is not None:
        print_line(f"energy       {profiled['energy_mj']:.4g} mJ, in {profiled['precision']}")
    if profiled["verified_on"] is not None:
        print_line(f"threads      {profiled['threads']}")
        own = profiled["torch_rel_error"]
        rounding = "" if own is None else f" (torch's own {own:.1e})"
        print_line(
            f"against torch  relative error {profiled['max_rel_error']:.1e}{rounding}, on {profiled['verified_on']}"
        )
    print_line(f"MACs         {profiled['macs'] / 1e6:.1f} M, {profiled['params'] / 1e6:.2f} M parameters")
    if profiled["calibration"] is not None:
        print_line(f"precision    {profiled['precision']}, ranges of {profiled['calibration']}")
    if profiled["token_counts"] is not None:
        print_line(f"tokens       counts {profiled['token_counts']}")
    if profiled["peak_memory_bytes"] is not None:
        print_line(f"peak memory  {profiled['peak_memory_bytes'] / 2**20:.2f} MiB of activations")
    if profiled["flash_bytes"] is not None:
        flash, ram = (profiled[name] / 2**20 for name in ("flash_bytes", "ram_bytes"))
        words = ("in flash or DRAM", "of SRAM") if profiled["npu"] else ("of code and weights", "of memory")
        print_line(f"size         {flash:.2f} MiB {words[0]}, {ram:.2f} MiB {words[1]}")
    if profiled["unscheduled_kernel_names"]:
        print_line(f"no schedule  {', '.join(profiled['unscheduled_kernel_names'])}")
    if profiled["tuned_kernels"]:
        print_line(f"tuned        {profiled['tuned_kernels']} of {counted(len(profiled['kernels']), 'kernel')}")
    print_visits(profiled["visits"])
    print_kernels(profiled)
