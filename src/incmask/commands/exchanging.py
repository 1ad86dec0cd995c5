"""The commands that write for other programs, and take corrected masks back."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from incmask.base.errors import fail
from incmask.base.words import are, counted
from incmask.commands.arguments import Json, Quiet
from incmask.commands.shell import at_terminal, listener, print_result
from incmask.exchange.names import LEAST_PX, MODEL_TARGETS
from incmask.exchange.names import TARGETS as LABEL_TARGETS

if TYPE_CHECKING:
    from incmask.exchange.corrections.export import Exported
    from incmask.exchange.models.model import ExportedModel

_NAMED = 5
"""Images that a line names."""


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN|MODEL", help="run folder, or its URL; for a model, also a model folder")
    ],
    target: Annotated[
        str, typer.Option("--to", help=f"model: {', '.join(MODEL_TARGETS)}; labels: {', '.join(LABEL_TARGETS)}")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="model: file that ends in .onnx, .pt2 or (bioimageio) .zip; labels: folder, or .zip"
        ),
    ],
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="labels: of the N images to label first  [default: of all]")
    ] = None,
    least_px: Annotated[
        int | None,
        typer.Option(
            "--least-px",
            min=1,
            help="labels: smaller regions and holes are merged into what surrounds them, unsure ones up to 4 times as "
            f"large  [default: {LEAST_PX} where shapes are written]",
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="labels: every pixel as the models have it, as napari and png always do")
    ] = False,
    split: Annotated[
        bool,
        typer.Option(
            "--split",
            help="labels: objects that touch are shapes of their own, by their centres or else at their waists",
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the model for other programs, or the labels of the unlabelled images for a tool that corrects them."""
    from incmask.api.exchanging import export as export_run
    from incmask.exchange.models.model import ExportedModel

    if exact and least_px is not None:
        raise fail("--exact", "merges nothing, and --least-px merges what is smaller", "use one of the two")
    for name, is_given in (("--exact", exact), ("--split", split)):
        if is_given and target in MODEL_TARGETS:
            raise fail(name, f"is for labels, and {target} exports the model", "leave it out")
    least_px = 1 if exact else least_px
    with listener(quiet or as_json) as progress:
        told = {"top": top, "least_px": least_px, "split": split}
        done = export_run(run, out, format=target, **told, progress=progress)  # type: ignore[call-overload]
    lines, values = _of_model(done) if isinstance(done, ExportedModel) else _of_labels(done)
    print_result("\n".join(lines), {"target": target, "out": str(out), **values}, as_json=as_json)


def _of_model(model: "ExportedModel") -> tuple[list[str], dict[str, Any]]:
    parity = model.parity
    return [
        f"model          {model.path}",
        f"model card     {model.card}",
        f"parity         {model.parity_file}: probabilities within {parity.max_probability_difference:.1g} of "
        f"PyTorch's, {parity.differing_label_fraction:.2%} of the labels differ",
    ], {"card": str(model.card), "parity": str(model.parity_file)}


def _of_labels(labels: "Exported") -> tuple[list[str], dict[str, Any]]:
    return [
        f"{counted(len(labels.names), 'image')} in {labels.out}, in the order of {labels.ranked_by}",
        *labels.notes,
    ], {
        "images": labels.names,
        "ranked_by": labels.ranked_by,
        "merged": asdict(labels.merged) if labels.merged else None,
        "notes": labels.notes,
    }


def import_labels(
    run: Annotated[Path, typer.Argument(help="run folder whose pseudo-labels were exported and corrected, or its URL")],
    corrected: Annotated[Path, typer.Argument(help="what the tool gave back: archive, folder or file, or its URL")],
    source: Annotated[str, typer.Option("--from", help=", ".join(LABEL_TARGETS))],
    unsure: Annotated[
        Literal["ignore", "skip", "refuse"],
        typer.Option(
            "--unsure", help="regions that are still unsure: count as not labelled, leave out their images, or an error"
        ),
    ] = "ignore",
    unchanged: Annotated[
        Literal["ask", "skip", "confirm"],
        typer.Option(
            "--unchanged",
            help="images that come back as they were exported: ask (elsewhere than on a terminal: skip), leave them "
            "out, or take them as right",
        ),
    ] = "ask",
    data: Annotated[
        Path | None,
        typer.Option("--data", help="data folder to add to, or its URL  [default: the one that the run tells]"),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Add corrected masks to the labelled images as a new round; the next run starts from the run's models."""
    from incmask.api.exchanging import add_back, read_back
    from incmask.data.folder.names import first_of
    from incmask.data.storage import copied_from

    with listener(quiet or as_json) as progress:
        found = read_back(run, corrected, target=source, data=data, progress=progress)
    if unchanged == "ask":
        unchanged = "confirm" if found.unchanged and not as_json and _are_right(found.unchanged) else "skip"
    with listener(quiet or as_json) as progress:
        done = add_back(found, unsure=unsure, unchanged=unchanged, progress=progress)
    num = len(done.round.names)
    lines = [
        *done.notes,
        f"round {done.round.number}: {counted(num, 'image')} {'added before' if done.again else 'added'} to "
        f"{done.data / done.round.folder}",
    ]
    if done.unsure_fraction:
        lines.append(f"{done.unsure_fraction:.1%} of their pixels are still unsure and count as not labelled")
    if done.unchanged and done.confirmed:
        lines.append(f"{are(len(done.unchanged), 'image')} as exported and counted as right")
    elif done.unchanged:
        what = f"{are(len(done.unchanged), 'image')} as exported and left out: {first_of(done.unchanged, _NAMED)}"
        lines.append(f"{what}; if they are right, take them with --unchanged confirm")
    if done.skipped:
        lines.append(f"{are(len(done.skipped), 'image')} left out for unsure regions")
    lines.append(f"next: {shlex.join(['incmask', 'run', copied_from(done.data) or str(done.data)])}")
    values = {
        "round": done.round.number,
        "folder": str(done.data / done.round.folder),
        "again": done.again,
        "images": list(done.round.names),
        "unsure_fraction": done.unsure_fraction,
        "skipped": list(done.skipped),
        "unchanged": list(done.unchanged),
        "confirmed": done.confirmed,
        "notes": list(done.notes),
    }
    print_result("\n".join(lines), values, as_json=as_json)


def correct(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run, or its URL")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder for what is saved; goes on there  [default: RUN-corrections]"),
    ] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, help="the N images to label first  [default: all]")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="[default: any that is free]")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open the page")] = True,
    as_json: Json = False,
) -> None:
    """Correct masks in the browser, on this machine alone: a page to paint in, image by image in ranked order."""
    from incmask.api.correcting import correct as correct_run

    done = correct_run(run, out=out, top=top, port=port, browser=browser, say=lambda line: typer.echo(line, err=True))
    lines = [*done.notes, f"{counted(len(done.names), 'image')} corrected in {done.out}"]
    if done.names:
        lines.append(f"next: {done.next_step}")
    values = {"corrections": str(done.out), "images": list(done.names), "notes": list(done.notes)}
    print_result("\n".join(lines), values, as_json=as_json)


def _are_right(names: Sequence[str]) -> bool:
    """Ask the person at the terminal; where there is none, nobody says so."""
    from incmask.data.folder.names import first_of

    question = f"{counted(len(names), 'image')} came back as exported ({first_of(names, _NAMED)}); right as they are?"
    return at_terminal() and typer.confirm(question, default=False, err=True)
