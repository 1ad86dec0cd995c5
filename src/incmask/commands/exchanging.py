"""The commands that write for other programs, and take corrected masks back."""

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from incmask.base.errors import fail
from incmask.commands.arguments import Json, Quiet
from incmask.commands.shell import listener, print_result
from incmask.exchange.names import MODEL_TARGETS
from incmask.exchange.names import TARGETS as LABEL_TARGETS


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN|MODEL", help="run folder; for a model, also a model folder")],
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
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the model for other programs, or the labels of the unlabelled images for a tool that corrects them."""
    from incmask.base.validation import choose

    is_model = choose(dict.fromkeys(MODEL_TARGETS, True) | dict.fromkeys(LABEL_TARGETS, False), target, option="--to")
    if is_model and top is not None:
        raise fail("--top", f"is for labels, and {target} exports the model", "leave it out")
    with listener(quiet or as_json) as progress:
        if is_model:
            from incmask.exchange.models.model import export_model

            model = export_model(run, out, target=target, progress=progress)
            parity = model.parity
            lines = [
                f"model          {model.path}",
                f"model card     {model.card}",
                f"parity         {model.parity_file}: probabilities within {parity.max_probability_difference:.1g} of "
                f"PyTorch's, {parity.differing_label_fraction:.2%} of the labels differ",
            ]
            values: dict[str, Any] = {"card": str(model.card), "parity": str(model.parity_file)}
        else:
            from incmask.exchange.corrections.export import export_labels

            labels = export_labels(run, out, target=target, top=top, progress=progress)
            lines = [f"{len(labels.names)} images in {labels.out}, in the order of {labels.ranked_by}", *labels.notes]
            values = {"images": labels.names, "ranked_by": labels.ranked_by, "notes": labels.notes}
    print_result("\n".join(lines), {"target": target, "out": str(out), **values}, as_json=as_json)


def import_labels(
    run: Annotated[Path, typer.Argument(help="run folder whose pseudo-labels were exported and corrected")],
    corrected: Annotated[Path, typer.Argument(help="what the tool gave back: archive, folder or file")],
    source: Annotated[str, typer.Option("--from", help=", ".join(LABEL_TARGETS))],
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
