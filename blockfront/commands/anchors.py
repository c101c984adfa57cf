"""`bench anchors`: the anchors that a trained detector can do without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockfront.commands.options import DataDir, Debug, Json, Quiet, Storage, Threads
from blockfront.commands.stopping import stoppable
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE

app = typer.Typer(
    name="anchors",
    help="Find the anchors that a trained detector can do without, and write it without them.",
    no_args_is_help=True,
)

Front = Annotated[Path, typer.Argument(metavar="FRONT", help="File that `bench anchors search` wrote.")]
Row = Annotated[int, typer.Argument(metavar="ROW", help="Number of a row of it.")]
Smaller = Annotated[Path, typer.Option("--output", "-o", help="File for the weights.")]
Searched = Annotated[
    Path | None,
    typer.Option("--weights", help="The whole detector's weights (default: where they were)."),
]
Weights = Annotated[
    Path | None, typer.Option(help="File of the whole detector's weights (default: those that a sweep kept).")
]


@app.command()
def search(
    detector: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK|CHECKPOINT|STUDY:NUMBER",
            help="A trained detector: its text or id, a .safetensors file that names it, or a network of a study.",
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(help="Images to search on: scenes, coco:PATH or voc:PATH (default: its study's, or scenes)."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the front.")] = Path("anchors.json"),
    weights: Weights = None,
    cost: Annotated[
        str, typer.Option(help="What to save: head_macs, boxes, or latency of head and post-processing on --target.")
    ] = "head_macs",
    drop: Annotated[float, typer.Option(help="AP that may be lost, 0 to 1: 0.02 is two points.")] = 0.02,
    most: Annotated[
        int | None,
        typer.Option(
            "--most",
            metavar="N",
            help="Bring levels down one after the other to N slots each, for detectors with more than they need.",
        ),
    ] = None,
    shortcuts: Annotated[
        bool,
        typer.Option(help="Take the first configuration that is better or as good, without looking at its siblings."),
    ] = True,
    digits: Annotated[int, typer.Option(help="Decimals that APs are rounded to before they are compared.")] = 3,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out/--same-images",
            help="Search by one half of the test images and state the front on the other; or all by all, as published.",
        ),
    ] = True,
    target: Annotated[
        str | None, typer.Option(help="Hardware of --cost latency: a name of `bench targets`, or file.py:name.")
    ] = None,
    threads: Threads = None,
    runner: Annotated[
        str, typer.Option(help="How to predict that latency: auto, or a name of `bench runners`.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="Where to run the detector: auto, cpu or cuda.")] = "auto",
    data_dir: DataDir = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search for configurations with fewer anchors: the front of AP against cost.

    The detector runs once on the test images; a configuration is what is left of its boxes. What is evaluated is kept,
    so that the same command goes on after an interrupt. `bench anchors apply` writes a row of the front.
    """
    from blockfront.anchors import Rules
    from blockfront.anchors.slots import Step
    from blockfront.console.anchor_tables import print_front
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.services.anchor_costs import COSTS, HeadLatency, counted_price
    from blockfront.services.anchors import Aim, search_front, write_front
    from blockfront.services.trained_detector import find_detector
    from blockfront.study.export import require_folder
    from blockfront.sweep.postprocessing import NO_CODE, means_of_boxes
    from blockfront.targets import Asked, choose, find_hardware
    from blockfront.training import get_dataset

    if cost not in COSTS:
        raise UsageError(f"--cost is one of {', '.join(COSTS)}, not {cost!r}")
    if (cost == "latency") != (target is not None):
        raise UsageError("--cost latency is of what follows the backbone on a --target, and the other costs have none")
    if not 0 <= drop < 1 or digits < 1:
        raise UsageError("--drop is a share of 1, such as 0.02, and --digits 1 or more")
    require_folder(output)
    progress = choose_progress(quiet=quiet)
    found = find_detector(detector, weights, storage)
    data = get_dataset(dataset or found.dataset or "scenes", data_dir)
    step: Step = "shared" if found.network.head.kind == "retina" else "slot"
    if target is None:
        means, price = None, (stated := counted_price(found.network, cost))
    else:
        means = choose(Asked(find_hardware(target), threads), runner=runner)
        if means.notice:
            progress.note(means.notice)
        if means_of_boxes(means) is None:
            progress.note(f"the cost is that of the head alone: {NO_CODE.format(target)}")
        stated = HeadLatency(found.network, means)
        price = stated.estimated

    def rules(least: float) -> Rules:
        return Rules(least=least, shortcuts=shortcuts, digits=digits, step=step, most=most, strict=True)

    with stoppable():
        if isinstance(stated, HeadLatency):
            stated.prepare(progress)
        front = search_front(found, data, Aim(cost, price, stated, drop, held_out, means), rules, device, progress)
    write_front(front, output)
    if json:
        print_json(front)
    else:
        print_front(front, output)


@app.command()
def apply(
    front: Front,
    row: Row,
    output: Smaller = Path("smaller.safetensors"),
    weights: Searched = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a detector without the anchors that a row of a front lacks: weights, with the network's text in them.

    `bench profile`, `verify`, `take` and `anchors search` take the file for the network.
    """
    from blockfront.console.tables import print_json, print_line
    from blockfront.services.anchors import apply_row
    from blockfront.study.export import require_folder

    require_folder(output)
    applied = apply_row(front, row, weights, output)
    if json:
        print_json(applied)
        return
    print_line(f"{output}: {applied['network']}")
    print_line(
        f"{counted(applied['boxes'], 'box')}, {applied['head_macs'] / 1e6:.3f} M MACs in the head "
        f"({applied['head_share']:.0%}), AP {100 * applied['ap']:.1f} % without training anew"
    )


@app.command()
def train(
    front: Front,
    row: Row,
    output: Smaller = Path("anew.safetensors"),
    weights: Searched = None,
    recipe: Annotated[
        str | None, typer.Option(help="How to train: a name of `bench recipes` (default: as the whole detector was).")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of --recipe; repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings, with the whole detector's seed and those after it.")] = 1,
    device: Annotated[str, typer.Option(help="Where to train: auto, cpu or cuda.")] = "auto",
    data_dir: DataDir = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train the detector that a row of a front is anew, from scratch, and say its AP before and after.

    The same command goes on where it was stopped.
    """
    from blockfront.console.anchor_tables import print_trained
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.services.anchor_training import Anew, taught_by, train_row
    from blockfront.services.anchors import read_row
    from blockfront.study.export import require_folder
    from blockfront.training import choose_recipe, get_dataset

    if seeds < 1:
        raise UsageError(f"--seeds must be 1 or more, not {seeds}")
    if changes and recipe is None:
        raise UsageError("--set changes a --recipe: give its name too")
    require_folder(output)
    chosen = read_row(front, row, weights)
    data = get_dataset(chosen.dataset, data_dir)
    how, seed = taught_by(chosen.detector.weights)
    if recipe is not None:
        how = choose_recipe(recipe, data.ref, changes or ())
    if how is None:
        raise UsageError(f"{chosen.detector.weights} does not say how it was trained: give --recipe")
    with stoppable():
        trained = train_row(
            chosen, data, Anew(how, range(seed, seed + seeds), device), output, choose_progress(quiet=quiet)
        )
    if json:
        print_json(trained)
    else:
        print_trained(trained)


@app.command()
def shapes(
    head: Annotated[
        str, typer.Argument(metavar="HEAD", help="Text of a head, such as ssdlite_l3_f48_x64_sabcdef.abcdef.abdf.ab.")
    ],
    dataset: Annotated[str, typer.Option(help="Whose boxes: scenes, coco:PATH or voc:PATH.")] = "scenes",
    most: Annotated[int, typer.Option("--most", metavar="N", help="Shapes of a level.")] = 15,
    data_dir: DataDir = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Give a head the shapes of a data set's boxes: k-medoids of each level's, to begin a search with too many.

    It prints the head's text, for a space or a network; `bench anchors search --most` brings its levels down.
    """
    from blockfront.console.tables import print_json, print_line
    from blockfront.design_space import DetectorHead
    from blockfront.services.anchor_shapes import head_of_data
    from blockfront.training import get_dataset

    found = head_of_data(DetectorHead.parse(head), get_dataset(dataset, data_dir), most)
    if json:
        print_json(found)
        return
    print_line(found["head"])
    print_line(
        f"{found['objects']} objects of {found['dataset']} overlap the most alike of {found['slots']} anchors by "
        f"{found['overlap']:.3f} on average; by {found['overlap_before']:.3f} of {found['slots_before']} before"
    )
