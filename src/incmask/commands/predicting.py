"""The command that predicts."""

from pathlib import Path
from typing import Annotated

import typer

from incmask.commands.arguments import DeviceOption, Json, Quiet
from incmask.commands.shell import listener, print_result


def predict(
    model: Annotated[Path, typer.Argument(help="run folder or model folder")],
    images: Annotated[Path, typer.Argument(help="an image, or a folder of images")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="folder for masks/, disagreement/, masks.csv and, where cells are counted, counts.csv"
        ),
    ],
    device: DeviceOption = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a mask and a map of disputed pixels for each image, at the image's own size."""
    from incmask.inference import predict_folder

    with listener(quiet or as_json) as progress:
        done = predict_folder(model, images, out, device=device, progress=progress)
    for problem in done.problems:
        typer.echo(f"skipped: {problem}", err=True)
    text = f"{len(done.shares)} images: masks in {out / 'masks'}, disputed pixels in {out / 'disagreement'}"
    problems = [str(problem) for problem in done.problems]
    print_result(text, {"images": len(done.shares), "out": str(out), "problems": problems}, as_json=as_json)
    if done.problems:
        raise typer.Exit(1)
