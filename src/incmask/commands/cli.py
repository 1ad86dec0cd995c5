"""The command line. Heavy modules are imported by the commands that need them."""

import io
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from incmask.base.caller import on_command_line
from incmask.base.errors import IncmaskError
from incmask.base.limits import check_addresses, refusals_told
from incmask.commands.exchanging import correct, export, import_labels
from incmask.commands.looking import rank, report, status, verify
from incmask.commands.looping import loop
from incmask.commands.predicting import mask, predict
from incmask.commands.preparing import check, prepare
from incmask.commands.shell import StoppedError
from incmask.commands.training import compare, demo, run, settings
from incmask.commands.tuning import tune
from incmask.commands.working import work

if TYPE_CHECKING:
    from incmask.experiment.executor import Executor

app = typer.Typer(
    help="Semi-supervised image segmentation: a few labelled images and many unlabelled ones in; a model, masks "
    "for all images and the pixels not to be trusted out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"incmask {version('incmask')}")
        raise typer.Exit


@app.callback()
def _before_a_command(
    tell: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="print it")] = False,
) -> None:
    """Semi-supervised image segmentation: a few labelled images and many unlabelled ones in; a model, masks out."""
    check_addresses()


for command in (demo, check, run, compare, prepare, predict, mask, rank, report, status, verify, export):
    app.command()(command)
app.command("import")(import_labels)
app.command()(correct)
app.command()(loop)
app.command()(tune)
app.command()(settings)
app.command(hidden=True)(work)


def _open_streams() -> None:
    """Open what whoever called has closed: the next file would get its number, and what libraries say end up there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def main(executor: "Executor | None" = None) -> None:
    """Run the command line; a user's mistake ends with exit code 1 and a line a problem.

    Args:
        executor: where the work is done; None: in processes of this machine.
    """
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Terminals of few letters, and file names that are no text, end no command.
            stream.reconfigure(errors="backslashreplace")
    try:
        with on_command_line(), refusals_told():
            # Where it was removed some libraries end the process in words of their own, as soon as they are loaded.
            os.getcwd()
            app(obj=executor)
    except IncmaskError as error:
        for problem in error.problems:
            typer.echo(f"incmask: {problem}", err=True)
        sys.exit(1)
    except (StoppedError, KeyboardInterrupt):
        typer.echo("incmask: stopped; the same command goes on from here", err=True)
        sys.exit(130)
