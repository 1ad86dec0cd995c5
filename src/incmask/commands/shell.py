"""What all commands do alike: listen to the work, print the result, stop."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from incmask.base.errors import IncmaskError

if TYPE_CHECKING:
    from incmask.experiment.consent import Agreed
    from incmask.experiment.executor import Executor


class StoppedError(Exception):
    """Ctrl-C, in a form that the library of the command line lets through."""


def executor(
    on: str | None = None,
    *,
    ray_address: str | None = None,
    sbatch: str | None = None,
    slurm_tasks: int | None = None,
    devices: str | None = None,
    dry_run: bool = False,
) -> "Executor":
    """Say where the work is done: as ``cli.main`` was told, or else as a person says; or only how it would be."""
    from incmask.experiment.executor import Executor, executor_on

    asked = executor_on(on or "local", ray_address=ray_address, sbatch=sbatch, slurm_tasks=slurm_tasks, devices=devices)
    if dry_run:
        raise _shown(on, asked)
    return asked if on or devices else typer.main.get_current_context().find_object(Executor) or asked


def _shown(on: str | None, asked: "Executor") -> Exception:
    """Print how jobs would be handed in, and give what ends the command."""
    from incmask.base.caller import option
    from incmask.base.errors import fail
    from incmask.base.slurm_commands import dry_run

    if on != "slurm":
        return fail(option("dry-run", True), "is for Slurm alone", f"add {option('on', 'slurm')}, or leave it out")
    typer.echo(dry_run(**asked.open_pool.keywords))  # type: ignore[attr-defined]
    return typer.Exit()


@contextmanager
def listener(quiet: bool) -> Iterator[Any]:
    """Show the progress of the work inside, or nothing."""
    from incmask.base.progress import Silent
    from incmask.base.terminal import Terminal
    from incmask.data.bringing import errors_by_url

    try:
        with errors_by_url(), nullcontext(Silent()) if quiet else Terminal() as progress:
            yield progress
    except KeyboardInterrupt:
        raise StoppedError from None


def at_terminal() -> bool:
    """Tell whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agreement(yes: bool, progress: Any) -> "Agreed":
    """Ask the person at the terminal; where there is none, ``yes`` alone is an answer."""
    from incmask.base.terminal import Terminal

    def ask(told: str) -> bool:
        if yes or not (isinstance(progress, Terminal) and at_terminal()):
            return yes
        with progress.paused():
            return typer.confirm(f"{told}; begin?", default=False, err=True)

    return ask


@contextmanager
def or_without(path: Path, what: str) -> Iterator[list[str]]:
    """Go on without a file that cannot be written: the numbers are there all the same; an older file shows others."""
    problems: list[str] = []
    try:
        yield problems
    except IncmaskError as error:
        path.unlink(missing_ok=True)
        problems += [f"no {what}: {problem}" for problem in error.problems]


def print_result(text: str, values: dict[str, Any], *, as_json: bool) -> None:
    """Print the text or, for machines, the values in a line of JSON."""
    typer.echo(json.dumps(values, ensure_ascii=False) if as_json else text)
