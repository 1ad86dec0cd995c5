"""The command line. Heavy modules are imported by the commands that need them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from incmask.arguments import (
    Data,
    DeviceOption,
    EffortOption,
    FitOption,
    Json,
    PresetOption,
    ProfileOption,
    Quiet,
    RecipeOption,
    RunFolder,
    SetOption,
    SizeOption,
)
from incmask.errors import IncmaskError
from incmask.recipes import RECIPES

app = typer.Typer(
    help="Semi-supervised image segmentation: a few labelled images and many unlabelled ones in; a model, masks "
    "for all images and the pixels not to be trusted out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for images and results")] = Path("incmask-demo"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Do the whole job on built-in images, in a few minutes."""
    from incmask.demo import run_demo, to_table

    with _listener(quiet or as_json) as progress:
        result = run_demo(out, progress=progress)
    _print_result(to_table(result), result.as_dict(), as_json=as_json)


@app.command()
def check(data: Data, as_json: Json = False) -> None:
    """Tell what is in a folder, what is wrong with it and how to mend it; touches nothing."""
    from incmask.choices import check_data

    found = check_data(data)
    if as_json:
        problems = [{"where": each.where, "what": each.what, "remedy": each.remedy} for each in found.problems]
        typer.echo(json.dumps({"problems": problems, "description": found.description}, ensure_ascii=False))
    else:
        for line in found.description:
            typer.echo(line)
        for problem in found.problems:
            typer.echo(f"problem: {problem}")
        number = f"{len(found.problems)} problem{'s' if len(found.problems) > 1 else ''}"
        typer.echo(number if found.problems else "no problems: ready for `incmask run`")
    if found.problems:
        raise typer.Exit(1)


@app.command()
def run(
    data: Data,
    out: RunFolder = None,
    recipe: RecipeOption = None,
    preset: PresetOption = None,
    effort: EffortOption = None,
    profile: ProfileOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    assignments: SetOption = [],  # noqa: B006 - typer copies it
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train on labelled and unlabelled images, and write models, masks, disputed pixels and scores."""
    from incmask.api import default_out
    from incmask.choices import Choices
    from incmask.config import parse_assignments
    from incmask.experiment import run as run_experiment
    from incmask.tables import outcome_as_dict, outcome_table

    settings = parse_assignments(assignments)
    settings |= {"size": size} if size else {}
    settings |= {"fit": fit} if fit else {}
    choices = Choices(recipe=recipe, preset=preset, effort=effort, profile=profile, settings=settings)
    with _listener(quiet or as_json) as progress:
        outcome = run_experiment(data, out or default_out(data), choices=choices, progress=progress)
    _print_result(outcome_table(outcome), outcome_as_dict(outcome), as_json=as_json)


@app.command()
def compare(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder; an unfinished comparison goes on  [default: DATA-compare]"),
    ] = None,
    recipes: Annotated[
        str, typer.Option("--recipes", help=f"all, or some of {', '.join(RECIPES)}, with commas between")
    ] = "all",
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="how often all is repeated with another seed")] = 3,
    equal_steps: Annotated[
        bool, typer.Option("--equal-steps", help="also train every approach for as many steps as FDT takes")
    ] = False,
    preset: PresetOption = None,
    effort: EffortOption = None,
    profile: ProfileOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    assignments: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE[,VALUE...]",
            help="any setting, see `incmask settings`; several values are all tried; may be repeated",
        ),
    ] = [],  # noqa: B006 - typer copies it
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare approaches on the same images with the same seeds: tables, figures, significance and cost."""
    import shlex

    from incmask.api import default_out
    from incmask.choices import Choices
    from incmask.comparison.compare import compare as run_comparison
    from incmask.comparison.present import (
        PAGE,
        comparison_as_dict,
        comparison_text,
        find,
        write_findings,
        write_page,
    )
    from incmask.config import parse_grid

    given = parse_grid(assignments)
    settings = given.single | ({"size": size} if size else {}) | ({"fit": fit} if fit else {})
    choices = Choices(preset=preset, effort=effort, profile=profile, settings=settings)
    folder = out or default_out(data, ending="compare")
    with _listener(quiet or as_json) as progress:
        comparison = run_comparison(
            data,
            folder,
            choices=choices,
            recipes=tuple(name.strip() for name in recipes.split(",") if name.strip()),
            num_repeats=repeats,
            grid=given.several,
            equal_steps=equal_steps,
            progress=progress,
        )
        progress.doing("tables and figures")
        findings = find(comparison)
        write_findings(comparison, findings)
        problems: list[str] = []
        try:
            write_page(comparison, findings, command=shlex.join(["incmask", *sys.argv[1:]]))
        except IncmaskError as error:
            # The numbers are there all the same; an older page would show others.
            (folder / PAGE).unlink(missing_ok=True)
            problems = [f"no page: {problem}" for problem in error.problems]
    values = comparison_as_dict(comparison, findings) | {"problems": problems}
    _print_result("\n".join([comparison_text(comparison, findings), *problems]), values, as_json=as_json)


@app.command()
def prepare(
    kind: Annotated[str, typer.Argument(help="isic2018, hela, suim or cityscapes; folder: your own data")],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="the download: archives or unpacked folders")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="data folder to make; an unfinished one goes on")],
    paper: Annotated[bool, typer.Option("--paper", help="do as the paper did, even where that is worse")] = False,
    ids: Annotated[
        Literal["all", "train"], typer.Option("--ids", help="cityscapes: all 34 ids, or the usual 19 to train on")
    ] = "all",
    group_split: Annotated[
        bool, typer.Option("--group-split/--no-group-split", help="hela: all crops of a frame stay together")
    ] = True,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            help="folder: pairs, class-folders, coco, labelme, geojson, instances or instances-binary "
            "[default: recognised]",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="folder: regular expression for the part of a name that stays together (patient)"),
    ] = None,
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", min=0, max=1, help="folder: share to validate")
    ] = 0.1,
    test_fraction: Annotated[float, typer.Option("--test-fraction", min=0, max=1, help="folder: share to test")] = 0.1,
    labelled_fraction: Annotated[
        float, typer.Option("--labelled-fraction", min=0, max=1, help="folder: share of the rest that keeps its masks")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of every split and crop")] = 42,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a data folder of a data set as its owner distributes it, or of your own files in other formats."""
    from incmask.prepare.options import PrepareOptions
    from incmask.prepare.prepare import prepare as run_prepare
    from incmask.prepare.prepare import prepared_as_dict, prepared_text

    options = PrepareOptions(
        paper=paper,
        ids=ids,
        group_split=group_split,
        seed=seed,
        layout=layout,
        group=group,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        labelled_fraction=labelled_fraction,
    )
    with _listener(quiet or as_json) as progress:
        prepared = run_prepare(kind, source, target, options=options, progress=progress)
    _print_result(prepared_text(prepared), prepared_as_dict(prepared), as_json=as_json)


@app.command()
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

    with _listener(quiet or as_json) as progress:
        done = predict_folder(model, images, out, device=device, progress=progress)
    for problem in done.problems:
        typer.echo(f"skipped: {problem}", err=True)
    text = f"{len(done.shares)} images: masks in {out / 'masks'}, disputed pixels in {out / 'disagreement'}"
    problems = [str(problem) for problem in done.problems]
    _print_result(text, {"images": len(done.shares), "out": str(out), "problems": problems}, as_json=as_json)
    if done.problems:
        raise typer.Exit(1)


@app.command()
def settings(
    preset: Annotated[str, typer.Option("--preset", help="default or paper")] = "default",
    effort: EffortOption = None,
) -> None:
    """List every setting with its value; the output can stand in incmask.toml."""
    from incmask.config import Settings, resolve_settings

    resolved = resolve_settings(preset=preset, effort=effort)
    typer.echo("[settings]")
    for name, field in Settings.model_fields.items():
        value = getattr(resolved, name)
        # TOML has no word for nothing, so an example stands in a comment.
        text = f"# {name} = {(field.examples or [None])[0]}" if value is None else f"{name} = {json.dumps(value)}"
        typer.echo(f"{text:<42}# {field.description}")


def main() -> None:
    """Run the command line; a user's mistake ends with exit code 1 and a line a problem."""
    try:
        app()
    except IncmaskError as error:
        for problem in error.problems:
            typer.echo(f"incmask: {problem}", err=True)
        sys.exit(1)
    except _StoppedError:
        typer.echo("incmask: stopped; the same command goes on from here", err=True)
        sys.exit(130)


class _StoppedError(Exception):
    """Ctrl-C, in a form that the library of the command line lets through."""


@contextmanager
def _listener(quiet: bool) -> Iterator[Any]:
    from incmask.terminal import Quietly, Terminal

    try:
        with Quietly() if quiet else Terminal() as progress:
            yield progress
    except KeyboardInterrupt:
        raise _StoppedError from None


def _print_result(text: str, values: dict[str, Any], *, as_json: bool) -> None:
    typer.echo(json.dumps(values, ensure_ascii=False) if as_json else text)
