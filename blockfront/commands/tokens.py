"""`bench tokens`: learned token reduction of a transformer with weights of its own."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import DataDir, Debug, Json, Quiet
from blockfront.commands.stopping import stoppable
from blockfront.errors import UsageError
from blockfront.plurals import counted

if TYPE_CHECKING:
    from blockfront.services.tokens import TransformerSetup

app = typer.Typer(
    name="tokens", help="Learn how many tokens a vision transformer needs, and fix their counts.", no_args_is_help=True
)

Reduction = Annotated[Path, typer.Argument(help="File that `bench tokens learn` or `calibrate` wrote.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]


def _setup(
    model: Annotated[str, typer.Argument(help="A timm name, file.py:factory, or the text of a network.")],
    dataset: Annotated[str, typer.Option(help="A name of `bench datasets`, or folder:PATH.")],
    batch_size: Annotated[int, typer.Option(help="Images in a batch.")] = 128,
    data_dir: DataDir = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Weights of the model (default: timm's pretrained ones).")
    ] = None,
    pretrained: Annotated[bool, typer.Option(help="Whether a timm model comes with its pretrained weights.")] = True,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")] = "auto",
    amp: Annotated[bool, typer.Option(help="Compute in bfloat16 where torch's autocast does.")] = False,
    threads: Annotated[int, typer.Option(help="Threads of a CPU.")] = 1,
    workers: Annotated[int, typer.Option(help="More processes that load pictures.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the order of the images.")] = 0,
) -> "TransformerSetup":
    """The options that every command of this group has, and what it makes of them."""
    from blockfront.services.tokens import TransformerSetup
    from blockfront.services.transformers import load_transformer
    from blockfront.training import get_dataset

    if batch_size < 1:
        raise UsageError(f"--batch-size must be 1 or more, not {batch_size}")
    data = get_dataset(dataset, data_dir)
    backbone = load_transformer(model, data, checkpoint, pretrained)
    return TransformerSetup(model, backbone, data, batch_size, device, amp, threads, workers, seed)


def _on_a_data_set(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the parameters of `_setup` before its own, which takes what that gives first."""
    shared = inspect.signature(_setup).parameters
    _, *own = inspect.signature(command).parameters.values()

    @wraps(command)
    def run(**given: Any) -> None:
        command(_setup(**{name: given.pop(name) for name in shared}), **given)

    parameters = sorted([*shared.values(), *own], key=lambda one: one.default is not inspect.Parameter.empty)
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in keywords}
    return run


@app.command()
@_on_a_data_set
def learn(
    setup: "TransformerSetup",
    output: Output = Path("reduction.pt"),
    target: Annotated[float, typer.Option(help="Share of the blocks' MACs that is to stay.")] = 0.75,
    variant: Annotated[str, typer.Option(help="merge-prune, prune-merge, merge or prune.")] = "merge-prune",
    merge_rate: Annotated[float, typer.Option(help="Learning rate of the thresholds for merging.")] = 5e-3,
    prune_rate: Annotated[float, typer.Option(help="Learning rate of the thresholds for pruning.")] = 5e-6,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Learn the thresholds of LTMP on the training images, the model's weights as they are, and keep the thresholds."""
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json, print_line, print_table
    from blockfront.services.tokens import learn_reduction
    from blockfront.study.export import require_folder

    for name, value in (("--merge-rate", merge_rate), ("--prune-rate", prune_rate), ("--epochs", epochs)):
        if not value > 0:
            raise UsageError(f"{name} must be above 0, not {value}")
    require_folder(output)
    options = {"target": target, "variant": variant}
    with stoppable():
        learned = learn_reduction(
            setup, options, (merge_rate, prune_rate), epochs, output, choose_progress(quiet=quiet)
        )
    if json:
        print_json(learned)
        return
    print_line(
        f"{output}: thresholds learned in {counted(learned['steps'], 'step')} for {target:g} of the blocks' MACs"
    )
    print_table(["block", *learned["thresholds"]], _by_block(learned["thresholds"]))


@app.command()
@_on_a_data_set
def calibrate(
    setup: "TransformerSetup",
    reduction: Reduction,
    output: Output = Path("static.pt"),
    images: Annotated[int, typer.Option(help="Training images to count tokens on.")] = 1024,
    multiple: Annotated[
        int | None, typer.Option(help="Number that every count is a multiple of (default: 7 of 128 tokens or more).")
    ] = None,
    capacity: Annotated[
        float | None,
        typer.Option(help="Let thresholds decide within lengths that hold this share of the images."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fix how many tokens every block merges and keeps, so that the model compiles; the mean MACs stay."""
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json, print_line, print_table
    from blockfront.services.tokens import fix_counts
    from blockfront.study.export import require_folder

    if images < 1:
        raise UsageError(f"--images must be 1 or more, not {images}")
    require_folder(output)
    with stoppable():
        fixed = fix_counts(setup, reduction, images, multiple, capacity, output, choose_progress(quiet=quiet))
    if json:
        print_json(fixed)
        return
    print_line(
        f"{output}: {fixed['macs'] / 1e6:.1f} M MACs, {fixed['share']:.3f} of the blocks'; thresholds leave "
        f"{fixed['dynamic_macs'] / 1e6:.1f} M on average of {counted(fixed['images'], 'image')}"
    )
    columns = {"tokens": fixed["lengths"]} | ({} if fixed["merges"] is None else {"merged": fixed["merges"]})
    print_table(["block", *columns], _by_block(columns))


@app.command()
@_on_a_data_set
def evaluate(
    setup: "TransformerSetup",
    reduction: Annotated[Path | None, typer.Option(help="File that `learn` or `calibrate` wrote.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Accuracy on the test images: of the plain model, while thresholds decide, and with fixed counts."""
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json, print_line, print_table
    from blockfront.services.tokens import evaluate_reduction

    with stoppable():
        scores = evaluate_reduction(setup, reduction, choose_progress(quiet=quiet))
    if json:
        print_json({"model": setup.name} | scores)
        return
    networks = scores["networks"]
    print_line(f"{setup.name} on the {counted(scores['test_images'], 'test image')} of {scores['dataset']}")
    header = ["network", "top-1 %", "top-5 %", "MACs M", f"same class as {networks[0]['network']} %"]
    print_table(header, [_score(one) for one in networks])


def _by_block(columns: dict[str, Any]) -> list[list[object]]:
    values = zip(*columns.values(), strict=True)
    return [[block, *(f"{v:.5g}" if isinstance(v, float) else v for v in row)] for block, row in enumerate(values, 1)]


def _score(one: dict[str, Any]) -> list[object]:
    shares = [f"{100 * one[name]:.2f}" for name in ("top1", "top5", "agreement")]
    return [one["network"], *shares[:2], f"{one['macs'] / 1e6:.1f}", shares[2]]
