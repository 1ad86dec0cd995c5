"""The command that takes corrected masks back."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from incmask.commands.arguments import Json, Quiet
from incmask.commands.shell import listener, print_result
from incmask.exchange.names import TARGETS


def import_labels(
    run: Annotated[Path, typer.Argument(help="run folder whose pseudo-labels were exported and corrected")],
    corrected: Annotated[Path, typer.Argument(help="what the tool gave back: archive, folder or file")],
    source: Annotated[str, typer.Option("--from", help=", ".join(TARGETS))],
    unsure: Annotated[
        Literal["ignore", "skip", "refuse"],
        typer.Option(
            "--unsure", help="regions that are still unsure: count as not labelled, leave out their images, or an error"
        ),
    ] = "ignore",
    data: Annotated[
        Path | None, typer.Option("--data", help="data folder to add to  [default: the one that the run tells]")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Add corrected masks to the labelled images as a new round; the next run starts from the run's models."""
    from incmask.exchange.corrections.take_back import import_labels as run_import

    with listener(quiet or as_json) as progress:
        done = run_import(run, corrected, target=source, unsure=unsure, data=data, progress=progress)
    num = len(done.round.names)
    lines = [*done.notes, f"round {done.round.number}: {num} images added to {done.data / done.round.folder}"]
    if done.unsure_fraction:
        lines.append(f"{done.unsure_fraction:.1%} of their pixels are still unsure and count as not labelled")
    if done.skipped:
        lines.append(f"{len(done.skipped)} images are left out, as they have unsure regions")
    lines.append(f"next: {shlex.join(['incmask', 'run', str(done.data)])}")
    values = {
        "round": done.round.number,
        "folder": str(done.data / done.round.folder),
        "images": list(done.round.names),
        "unsure_fraction": done.unsure_fraction,
        "skipped": list(done.skipped),
        "notes": list(done.notes),
    }
    print_result("\n".join(lines), values, as_json=as_json)
