"""The command that predicts."""

from pathlib import Path
from typing import Annotated

import typer

from incmask.commands.arguments import DeviceOption, Json, Quiet
from incmask.commands.shell import executor, listener, print_result


def predict(
    model: Annotated[Path, typer.Argument(help="run folder or model folder")],
    images: Annotated[
        list[str], typer.Argument(help="folders, images, patterns in quotes; - reads their paths from standard input")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="folder for masks/, inconsistent/, disagreement/ and summary.csv"),
    ],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="also write probabilities/, 0 to 255 for 0 to 1")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="also write overlays/: the image, outlines and disputed pixels")
    ] = False,
    instances: Annotated[
        bool, typer.Option("--instances", help="also write instances/: connected objects as ids")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="go on with images that come into the folders, until Ctrl-C")
    ] = False,
    device: DeviceOption = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a mask, the disputed pixels and the disagreement of each image, at its own size; skip what is done."""
    import sys

    from incmask.base.errors import fail
    from incmask.prediction.folder import predict_folder, watch_folder
    from incmask.prediction.layers import ExtraOutputs

    given = [line for name in images for line in ([name] if name != "-" else map(str.rstrip, sys.stdin)) if line]
    if not given:
        raise fail("standard input", "names no images", "give a path a line")
    pictures = ExtraOutputs(probabilities=probabilities, overlays=overlay, instances=instances)
    with listener(quiet or as_json) as progress:
        work = watch_folder if watch else predict_folder
        open_pool = executor().open_pool
        done = work(model, given, out, open_pool=open_pool, pictures=pictures, device=device, progress=progress)
    for problem in done.problems:
        typer.echo(f"skipped: {problem}", err=True)
    num_images = len(done.shares) + done.num_unchanged
    unchanged = f", {done.num_unchanged} of them unchanged" if done.num_unchanged else ""
    text = f"{num_images} images{unchanged}: masks in {out / 'masks'}, table in {out / 'summary.csv'}"
    problems = [str(problem) for problem in done.problems]
    values = {"images": num_images, "unchanged": done.num_unchanged, "out": str(out), "problems": problems}
    print_result(text, values, as_json=as_json)
    if done.problems:
        raise typer.Exit(1)
