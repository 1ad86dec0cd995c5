"""The command that makes inconsistency masks of other models' predictions."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from incmask.commands.arguments import Json, Quiet
from incmask.commands.shell import listener, print_result


def mask(
    predictions: Annotated[
        list[Path], typer.Argument(help="two or more folders of label images, one for each model, with the same names")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder for masks/, inconsistent/, disagreement/ and summary.csv")
    ],
    task: Annotated[
        Literal["binary", "multilabel", "multiclass"] | None,
        typer.Option(
            "--task", help="binary, multiclass (exclusive ids) or multilabel (a folder a class)  [default: recognised]"
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="folder of the images: also write images/, with the disputed pixels set to 0"),
    ] = None,
    erode_px: Annotated[
        int, typer.Option("--erode", metavar="PX", help="side of the square that thins the disputed pixels; odd")
    ] = 0,
    dilate_px: Annotated[
        int, typer.Option("--dilate", metavar="PX", help="side of the square that widens them afterwards; odd")
    ] = 0,
    classes: Annotated[
        str | None,
        typer.Option("--classes", help="names, as in background=0,cell=1 or cell=#ff0000  [default: recognised]"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", min=0, max=1, help="for .npy or TIFF with probabilities of a foreground: 0.5, for example"
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare the predictions of any models: a label of what they agree on, and the pixels where they do not."""
    from incmask.prediction.other_models.meaning import parse_classes
    from incmask.prediction.other_models.write import SUMMARY, MaskOptions, write_masks

    options = MaskOptions(task, parse_classes(classes) if classes else (), erode_px, dilate_px, threshold)
    with listener(quiet or as_json) as progress:
        done = write_masks(predictions, out, images=images, options=options, progress=progress)
    names = ", ".join(f"{number} {name}" for number, name in enumerate(done.class_names))
    meaning = f": {names}" if done.task == "multiclass" else f": {', '.join(done.class_names)}"
    lines = [
        *(f"note: {note}" for note in done.notes),
        f"task: {done.task}{meaning}",
        f"{done.num_images} images of {len(predictions)} models, {done.inconsistent_fraction:.1%} of their pixels "
        f"disputed: masks in {out / 'masks'}, table in {out / SUMMARY}",
    ]
    values = {
        "images": done.num_images,
        "models": len(predictions),
        "task": done.task,
        "classes": list(done.class_names),
        "inconsistent_fraction": done.inconsistent_fraction,
        "out": str(out),
        "notes": list(done.notes),
    }
    print_result("\n".join(lines), values, as_json=as_json)
