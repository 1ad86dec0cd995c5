"""Commands that train: demo, run, compare, settings."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from incmask.commands.arguments import (
    BestOfOption,
    Data,
    DataOrNone,
    Devices,
    DryRun,
    EffortOption,
    FitOption,
    GroupOption,
    Json,
    NetOption,
    On,
    OnCollapseOption,
    PresetOption,
    ProfileOption,
    Quiet,
    RayAddress,
    RecipeOption,
    RunFolder,
    Sbatch,
    SetOption,
    SizeOption,
    SlurmTasks,
    TrackOption,
    WeightsOption,
    Yes,
)
from incmask.commands.shell import agreement, executor, listener, or_without, print_result
from incmask.method.recipes import RECIPES


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for images and results")] = Path("incmask-demo"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Do the whole job on built-in images, in a few minutes."""
    from incmask.api.listening import run_at
    from incmask.commands.demo import run_demo, to_table

    with listener(quiet or as_json) as progress, run_at(out, progress) as (folder, heard):
        result = run_demo(folder, executor=executor(), progress=heard)
    print_result(to_table(result), result.as_dict(), as_json=as_json)


def run(
    data: DataOrNone = None,
    out: RunFolder = None,
    recipe: RecipeOption = None,
    preset: PresetOption = None,
    effort: EffortOption = None,
    profile: ProfileOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    net: NetOption = None,
    encoder_weights: WeightsOption = None,
    group: GroupOption = None,
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            help="how long it may take, such as 20m or 2h: sizes, models and steps follow from it; a longer one later "
            "goes on  [default: 20m where nothing else says how much]",
        ),
    ] = None,
    assignments: SetOption = [],  # noqa: B006 - typer copies it
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="choices in the form of incmask.toml, such as `incmask tune` writes: over that of the data, below the "
            "options here",
        ),
    ] = None,
    best_of: BestOfOption = None,
    on_collapse: OnCollapseOption = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="let a GPU compute the same bits each time; a CPU does so anyway")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="after `incmask import`: do not begin with the earlier round's models")
    ] = False,
    reproduce: Annotated[
        Path | None,
        typer.Option(
            "--reproduce",
            metavar="RUN",
            help="run once more as this run recorded it, on its data unless others are named; says what differs "
            "between then and now, and whether all files come out the same",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="also write report.html, ranking.csv and the model card")
    ] = True,
    track: TrackOption = None,
    on: On = None,
    ray_address: RayAddress = None,
    sbatch: Sbatch = None,
    slurm_tasks: SlurmTasks = None,
    devices: Devices = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train on labelled and unlabelled images; write models, masks, disputed pixels, scores and a report."""
    if data is None and reproduce is None:
        raise typer.BadParameter("name the folder with the images, or a run with --reproduce", param_hint="DATA")
    from incmask.api.listening import folder_of
    from incmask.api.training import train
    from incmask.commands.assignments import parse_assignments
    from incmask.experiment.choices import given
    from incmask.experiment.named import AUTO_TIME, Choices, with_config
    from incmask.experiment.outcome_text import outcome_as_dict, outcome_table

    settings = parse_assignments(assignments)
    settings |= given(size=size, fit=fit, net=net, encoder_weights=encoder_weights)
    settings |= given(on_collapse=on_collapse, deterministic=deterministic)
    where = executor(
        on, ray_address=ray_address, sbatch=sbatch, slurm_tasks=slurm_tasks, devices=devices, dry_run=dry_run
    )
    with listener(quiet or as_json) as progress:
        config = folder_of(config, progress) if config else None
        choices = with_config(Choices(recipe, preset, effort, profile, group, time or AUTO_TIME, settings), config)
        done = train(
            data,
            out,
            choices=choices,
            best_of=best_of,
            fresh=fresh,
            reproduce=reproduce,
            report=report,
            agreed=agreement(yes, progress),
            track=track,
            executor=where,
            progress=progress,
        )
    told = done.reproduced.lines() if done.reproduced else []
    text = "\n".join([outcome_table(done.outcome), *done.finished.lines(), *told])
    values = outcome_as_dict(done.outcome) | done.finished.as_dict()
    values |= {"best_of": done.best.as_dict()} if done.best else {}
    values |= {"reproduced": done.reproduced.as_dict()} if done.reproduced else {}
    print_result(text, values, as_json=as_json)


def compare(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder or URL; an unfinished comparison goes on  [default: DATA-compare]"),
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
    net: NetOption = None,
    encoder_weights: WeightsOption = None,
    group: GroupOption = None,
    assignments: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE[,VALUE...]",
            help="any setting, see `incmask settings`; several values are all tried; may be repeated",
        ),
    ] = [],  # noqa: B006 - typer copies it
    best_of: BestOfOption = None,
    track: TrackOption = None,
    on: On = None,
    ray_address: RayAddress = None,
    sbatch: Sbatch = None,
    slurm_tasks: SlurmTasks = None,
    devices: Devices = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare approaches on the same images with the same seeds: tables, figures, significance and cost."""
    import shlex

    from incmask.api.comparing import compared
    from incmask.commands.assignments import parse_grid
    from incmask.experiment.choices import given
    from incmask.experiment.named import Choices
    from incmask.insight.comparison.present import PAGE, comparison_as_dict, comparison_text, write_page

    grid = parse_grid(assignments)
    settings = grid.single | given(size=size, fit=fit, net=net, encoder_weights=encoder_weights)
    choices = Choices(preset=preset, effort=effort, profile=profile, group=group, settings=settings)
    where = executor(
        on, ray_address=ray_address, sbatch=sbatch, slurm_tasks=slurm_tasks, devices=devices, dry_run=dry_run
    )
    with (
        listener(quiet or as_json) as progress,
        compared(
            data,
            out,
            choices=choices,
            recipes=recipes,
            num_repeats=repeats,
            grid=grid.several,
            equal_steps=equal_steps,
            best_of=best_of,
            agreed=agreement(yes, progress),
            track=track,
            executor=where,
            progress=progress,
        ) as (comparison, findings),
        or_without(comparison.root / PAGE, "page") as problems,
    ):
        write_page(comparison, findings, command=shlex.join(["incmask", *sys.argv[1:]]))
    values = comparison_as_dict(comparison, findings) | {"problems": problems}
    print_result("\n".join([comparison_text(comparison, findings), *problems]), values, as_json=as_json)


def settings(
    preset: Annotated[str, typer.Option("--preset", help="default or paper")] = "default",
    effort: EffortOption = None,
) -> None:
    """List every setting with its value; the output can stand in incmask.toml."""
    from incmask.base.choosing import resolve_settings
    from incmask.base.config import Settings

    resolved = resolve_settings(preset=preset, effort=effort)
    typer.echo("[settings]")
    for name, field in Settings.model_fields.items():
        value = getattr(resolved, name)
        # TOML has no word for nothing, so an example stands in a comment.
        text = f"# {name} = {(field.examples or [None])[0]}" if value is None else f"{name} = {json.dumps(value)}"
        typer.echo(f"{text:<42}# {field.description}")
