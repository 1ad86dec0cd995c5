"""The commands that make masks: of a run's models, and of other models' predictions."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from incmask.base.words import counted
from incmask.commands.arguments import DeviceOption, Devices, DryRun, Json, On, Quiet, RayAddress, Sbatch, SlurmTasks
from incmask.commands.shell import executor, listener, print_result


def predict(
    model: Annotated[Path, typer.Argument(help="run folder or model folder, or its URL")],
    images: Annotated[
        list[str],
        typer.Argument(help="folders, images, patterns in quotes, URLs; - reads their paths from standard input"),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="folder for masks/, inconsistent/, disagreement/ and summary.csv, or its URL"),
    ],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="also write probabilities/, 0 to 255 for 0 to 1")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="also write overlays/: the image, outlines and disputed pixels")
    ] = False,
    instances: Annotated[
        bool,
        typer.Option(
            "--instances",
            help="also write instances/: objects as ids, those that touch apart where the model marks centres",
        ),
    ] = False,
    split: Annotated[
        bool, typer.Option("--split", help="split objects that touch at their waists, for models that mark no centres")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="go on with images that come into the folders, until Ctrl-C")
    ] = False,
    device: DeviceOption = "auto",
    on: On = None,
    ray_address: RayAddress = None,
    sbatch: Sbatch = None,
    slurm_tasks: SlurmTasks = None,
    devices: Devices = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a mask, the disputed pixels and the disagreement of each image, at its own size; skip what is done."""
    import sys

    from incmask.api.images import predict as predict_images
    from incmask.base.caller import option
    from incmask.base.errors import fail
    from incmask.data.storage import refuse_url, told_below, url_of
    from incmask.prediction.folder import watch_folder
    from incmask.prediction.layers import ExtraOutputs

    listed = [line.strip("\ufeff\r\n ") for line in sys.stdin] if "-" in images else []
    given = [line for name in images for line in ([name] if name != "-" else listed) if line]
    if not given:
        raise fail("standard input", "names no images", "give a path a line")
    wanted = {"probabilities": probabilities, "overlays": overlay, "instances": instances, "split": split}
    where = executor(
        on, ray_address=ray_address, sbatch=sbatch, slurm_tasks=slurm_tasks, devices=devices, dry_run=dry_run
    )
    with listener(quiet or as_json) as progress:
        if watch:
            for each in (model, *given, out):
                refuse_url(each, f"{option('watch')} looks")
            open_pool, pictures = where.open_pool, ExtraOutputs(**wanted)
            done = watch_folder(
                model, given, out, open_pool=open_pool, pictures=pictures, device=device, progress=progress
            )
        else:
            done = predict_images(model, given, out, **wanted, device=device, progress=progress, executor=where)
    for problem in done.problems:
        typer.echo(f"skipped: {problem}", err=True)
    num_images = len(done.shares) + done.num_unchanged
    unchanged = f", {done.num_unchanged} of them unchanged" if done.num_unchanged else ""
    of_numbers = any(file.startswith("predictions/") for share in done.shares for file in share.files)
    kind = "predictions" if of_numbers or (out / "predictions").is_dir() else "masks"
    where_masks, where_table = told_below(out, kind), told_below(out, "summary.csv")
    text = f"{counted(num_images, 'image')}{unchanged}: {kind} in {where_masks}, table in {where_table}"
    problems = [str(problem) for problem in done.problems]
    values = {
        "images": num_images,
        "unchanged": done.num_unchanged,
        "out": url_of(out) or str(out),
        "problems": problems,
        "notes": list(done.notes),
    }
    print_result("\n".join([*(f"note: {note}" for note in done.notes), text]), values, as_json=as_json)
    if done.problems:
        raise typer.Exit(1)


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
    from incmask.api.images import mask as mask_predictions
    from incmask.method.labels import labels_of
    from incmask.prediction.other_models.write import SUMMARY

    with listener(quiet or as_json) as progress:
        done = mask_predictions(
            predictions,
            out,
            task=task,
            images=images,
            erode_px=erode_px,
            dilate_px=dilate_px,
            classes=classes or None,
            threshold=threshold,
            progress=progress,
        )
    names = ", ".join(f"{number} {name}" for number, name in enumerate(done.class_names))
    meaning = f": {names}" if labels_of(done.task).is_exclusive else f": {', '.join(done.class_names)}"
    lines = [
        *(f"note: {note}" for note in done.notes),
        f"task: {done.task}{meaning}",
        f"{counted(done.num_images, 'image')} of {counted(len(predictions), 'model')}, "
        f"{done.inconsistent_fraction:.1%} of their pixels disputed: masks in {out / 'masks'}, "
        f"table in {out / SUMMARY}",
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
