"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from incmask.method.recipes import DEFAULT_RECIPE, RECIPES

_DATA = "folder with labelled/ and unlabelled/, optionally val/ and test/"
_OR_URL = f"{_DATA}; or its URL, such as s3://bucket/data"
DataFolder = Annotated[Path, typer.Argument(help=_DATA)]
Data = Annotated[str, typer.Argument(help=_OR_URL)]
DataOrNone = Annotated[str | None, typer.Argument(help=_OR_URL, show_default=False)]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", help=f"{', '.join(RECIPES)}  [default: {DEFAULT_RECIPE}]")
]
PresetOption = Annotated[str | None, typer.Option("--preset", help="training: default or paper  [default: default]")]
EffortOption = Annotated[str | None, typer.Option("--effort", help="quick, normal or paper  [default: normal]")]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", help="kind of images: generic, upright, isic2018, hela, suim, cityscapes  [default: generic]"
    ),
]
SizeOption = Annotated[
    tuple[int, int] | None,
    typer.Option("--size", help="height and width of the networks' input  [default: the median image's]"),
]
FitOption = Annotated[
    str | None, typer.Option("--fit", help="resize whole images, or tile them at full resolution  [default: resize]")
]
NetOption = Annotated[
    str | None,
    typer.Option(
        "--net",
        help="the networks: unet, or with a pretrained encoder: efficientnet-lite0, timm:ENCODER, "
        "smp:ARCHITECTURE/ENCODER  [default: unet]",
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--encoder-weights",
        metavar="FILE",
        help="what the encoder begins with: auto (its package or this machine's cache), none, or a file  "
        "[default: auto]",
    ),
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group",
        help="images of one subject, never on both sides of a split: auto (split.csv, or names that tell), none, "
        "a CSV file (name,group), or a regular expression for the part of the name  [default: auto]",
    ),
]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="any setting, see `incmask settings`; may be repeated")
]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option("--device", help="auto, cpu, cuda or mps")]
RunFolder = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="run folder, or its URL; an unfinished run goes on  [default: DATA-run]"),
]
BestOfOption = Annotated[
    Path | None,
    typer.Option(
        "--best-of",
        metavar="SWEEP",
        help="a comparison that swept erode_px and dilate_px of im: take the best by validation, for all approaches "
        "with inconsistency masks",
    ),
]
TrackOption = Annotated[
    str | None, typer.Option("--track", help="show curves elsewhere, too: tensorboard (in RUN/tensorboard) or mlflow")
]
On = Annotated[
    str | None,
    typer.Option("--on", help="where the work is done: local, ray for a cluster, or slurm  [default: local]"),
]
RayAddress = Annotated[
    str | None,
    typer.Option("--ray-address", help="auto, ray://HOST:PORT or HOST:PORT  [default: a cluster is started here]"),
]
Sbatch = Annotated[
    str | None,
    typer.Option("--sbatch", metavar="OPTIONS", help='for --on slurm, such as "--partition=gpu --time=2:00:00"'),
]
SlurmTasks = Annotated[
    int | None, typer.Option("--slurm-tasks", min=1, help="for --on slurm: tasks at a time  [default: 16]")
]
Devices = Annotated[
    str | None,
    typer.Option(
        "--devices",
        help="GPUs of this machine, all or such as 0,1,3: a process for each, with students of its own  [default: one]",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="for --on slurm: print the script and how it would be submitted, and end")
]
OnCollapseOption = Annotated[
    str | None,
    typer.Option(
        "--on-collapse",
        help="a generation whose labels lose a class or that falls on validation: keep-best (end with the best so "
        "far), stop (end with an error), or ignore  [default: keep-best; preset paper: ignore]",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="begin even what takes longer than a day by estimate")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but the result")]
Json = Annotated[bool, typer.Option("--json", help="print the result as one line of JSON and nothing else")]
