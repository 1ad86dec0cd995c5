"""What all commands do alike: listen to the work, print the result, stop."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from incmask.experiment.executor import Executor


class StoppedError(Exception):
    """Ctrl-C, in a form that the library of the command line lets through."""


def executor() -> "Executor":
    """Say where the work is done: as ``cli.main`` was told, or else in processes of this machine."""
    from incmask.experiment.executor import Executor

    return typer.main.get_current_context().find_object(Executor) or Executor()


@contextmanager
def listener(quiet: bool) -> Iterator[Any]:
    """Show the progress of the work inside, or nothing."""
    from incmask.base.terminal import Quietly, Terminal

    try:
        with Quietly() if quiet else Terminal() as progress:
            yield progress
    except KeyboardInterrupt:
        raise StoppedError from None


def print_result(text: str, values: dict[str, Any], *, as_json: bool) -> None:
    """Print the text or, for machines, the values in a line of JSON."""
    typer.echo(json.dumps(values, ensure_ascii=False) if as_json else text)
