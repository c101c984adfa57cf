"""The command line: which commands there are, and how each kind of error ends."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

import blockfront
from blockfront.commands import (
    anchors,
    board,
    calibrate,
    check,
    compare,
    doctor,
    handing,
    lists,
    pretrained,
    profile,
    rank,
    results,
    sample,
    show,
    take,
    tokens,
    tune,
    validate,
    verify,
    weights,
)
from blockfront.commands.stopping import INTERRUPTED
from blockfront.console import documents
from blockfront.errors import CompilerTimeout, RunError, UsageError

_WANTED = {
    "int_parsing": "whole number",
    "int_parsing_size": "whole number of this size",
    "float_parsing": "number",
}
"""What pydantic, which reads values for Typer, says by its kinds of errors."""

app = typer.Typer(
    name="bench",
    help="Which neural building block is fastest on your hardware?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _command in (
    sample.sample,
    rank.rank,
    results.studies,
    results.report,
    compare.compare,
    results.export,
    handing.hand_out,
    handing.hand_in,
    show.show,
    weights.weights,
    pretrained.pretrained,
    profile.profile,
    tune.tune,
    calibrate.calibrate,
    verify.verify,
    take.take,
    check.check,
    lists.targets,
    lists.blocks,
    lists.spaces,
    lists.datasets,
    lists.recipes,
    lists.toolchains,
    lists.tasks,
    lists.runners,
    lists.columns,
    doctor.doctor,
):
    app.command()(_command)
app.add_typer(board.app)
app.add_typer(validate.app)
app.add_typer(tokens.app)
app.add_typer(anchors.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"blockfront {blockfront.__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    return


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the call is wrong, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command; gives the exit code, with one line on standard error for an error or a warning of ours."""
    try:
        with _warnings_in_one_line(), documents.reserved() if "--json" in arguments else nullcontext():
            code = app(args=list(arguments), prog_name="bench", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; a later flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if "--debug" in arguments and not isinstance(error, TyperException):
            import traceback

            traceback.print_exc()
        if isinstance(error, TyperException) and error.format_message().startswith("Usage:"):
            # Nothing but the command was given, and Typer's message is the whole help.
            print(error.format_message(), file=sys.stderr)
            return error.exit_code
        line, code = _verdict(error)
        print(f"error: {line}", file=sys.stderr)
        if isinstance(error, CompilerTimeout):
            # A thread is still within LLVM, which must not be unloaded under it.
            sys.stdout.flush()
            os._exit(code)
        return code


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Warnings of this suite without the line of code that other packages' are shown with."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if category.__module__.partition(".")[0] == blockfront.__name__:
                print(f"note: {_one_line(str(message))}", file=sys.stderr)
            else:
                others(message, category, *where)

        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _verdict(error: Exception) -> tuple[str, int]:
    """What to say about an error, in one line, and the exit code."""
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        command = "bench" if context is None else context.command_path
        return f"{_wrong_call(error)} (see {command} --help)", error.exit_code
    if isinstance(error, UsageError):
        return _one_line(str(error)), 2
    if isinstance(error, RunError):
        return _one_line(str(error)), 1
    return f"{type(error).__name__}: {_one_line(str(error))} (run with --debug for the traceback)", 1


def _wrong_call(error: TyperException) -> str:
    """Typer's words for a wrong call, or ours where they are those of the package that reads its values."""
    said = _one_line(error.format_message())
    reasons = getattr(error.__cause__, "errors", None)
    if reasons is None:
        return said
    (reason, *_) = reasons()
    wanted = _WANTED.get(reason["type"])
    return said if wanted is None else f"{said.partition(': ')[0]}: {reason['input']!r} is no {wanted}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
