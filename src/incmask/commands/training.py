"""Commands that train: demo, run, compare, settings."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from incmask.commands.arguments import (
    BestOfOption,
    Data,
    EffortOption,
    FitOption,
    GroupOption,
    Json,
    PresetOption,
    ProfileOption,
    Quiet,
    RecipeOption,
    RunFolder,
    SetOption,
    SizeOption,
)
from incmask.commands.shell import executor, listener, or_without, print_result
from incmask.method.recipes import RECIPES


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for images and results")] = Path("incmask-demo"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Do the whole job on built-in images, in a few minutes."""
    from incmask.commands.demo import run_demo, to_table

    with listener(quiet or as_json) as progress:
        result = run_demo(out, executor=executor(), progress=progress)
    print_result(to_table(result), result.as_dict(), as_json=as_json)


def run(
    data: Data,
    out: RunFolder = None,
    recipe: RecipeOption = None,
    preset: PresetOption = None,
    effort: EffortOption = None,
    profile: ProfileOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
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
    best_of: BestOfOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="after `incmask import`: do not begin with the earlier round's models")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="also write report.html, ranking.csv and the model card")
    ] = True,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train on labelled and unlabelled images; write models, masks, disputed pixels, scores and a report."""
    from incmask.commands.assignments import parse_assignments
    from incmask.data.rounds import run_folder
    from incmask.experiment.choices import AUTO_TIME, Choices
    from incmask.experiment.outcome_text import outcome_as_dict, outcome_table
    from incmask.experiment.run import run as run_experiment
    from incmask.insight.comparison.best_of import best_of as find_best
    from incmask.insight.finish import FinishedFiles, finish

    settings = parse_assignments(assignments)
    settings |= {"size": size} if size else {}
    settings |= {"fit": fit} if fit else {}
    choices = Choices(recipe, preset, effort, profile, group, time or AUTO_TIME, settings)
    with listener(quiet or as_json) as progress:
        best = find_best(best_of, data, choices) if best_of else None
        if best:
            progress.say(best.told)
        outcome = run_experiment(
            data,
            out or run_folder(data),
            choices=best.over(choices) if best else choices,
            executor=executor(),
            progress=progress,
            warm=not fresh,
        )
        finished = finish(outcome, open_pool=executor().open_pool, progress=progress) if report else FinishedFiles()
    text = "\n".join([outcome_table(outcome), *finished.lines()])
    values = outcome_as_dict(outcome) | finished.as_dict() | ({"best_of": best.as_dict()} if best else {})
    print_result(text, values, as_json=as_json)


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
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare approaches on the same images with the same seeds: tables, figures, significance and cost."""
    import shlex

    from incmask.commands.assignments import parse_grid
    from incmask.data.rounds import run_folder
    from incmask.experiment.choices import Choices
    from incmask.insight.comparison.best_of import best_of as find_best
    from incmask.insight.comparison.compare import compare as run_comparison
    from incmask.insight.comparison.present import (
        PAGE,
        comparison_as_dict,
        comparison_text,
        find,
        write_findings,
        write_page,
    )

    given = parse_grid(assignments)
    settings = given.single | ({"size": size} if size else {}) | ({"fit": fit} if fit else {})
    choices = Choices(preset=preset, effort=effort, profile=profile, group=group, settings=settings)
    folder = out or run_folder(data, ending="compare")
    with listener(quiet or as_json) as progress:
        comparison = run_comparison(
            data,
            folder,
            choices=choices,
            executor=executor(),
            recipes=tuple(name.strip() for name in recipes.split(",") if name.strip()),
            num_repeats=repeats,
            grid=given.several,
            equal_steps=equal_steps,
            best_of=find_best(best_of, data, choices, grid=given.several) if best_of else None,
            progress=progress,
        )
        progress.doing("tables and figures")
        findings = find(comparison)
        write_findings(comparison, findings)
        with or_without(folder / PAGE, "page") as problems:
            write_page(comparison, findings, command=shlex.join(["incmask", *sys.argv[1:]]))
    values = comparison_as_dict(comparison, findings) | {"problems": problems}
    print_result("\n".join([comparison_text(comparison, findings), *problems]), values, as_json=as_json)


def settings(
    preset: Annotated[str, typer.Option("--preset", help="default or paper")] = "default",
    effort: EffortOption = None,
) -> None:
    """List every setting with its value; the output can stand in incmask.toml."""
    from incmask.base.config import Settings, resolve_settings

    resolved = resolve_settings(preset=preset, effort=effort)
    typer.echo("[settings]")
    for name, field in Settings.model_fields.items():
        value = getattr(resolved, name)
        # TOML has no word for nothing, so an example stands in a comment.
        text = f"# {name} = {(field.examples or [None])[0]}" if value is None else f"{name} = {json.dumps(value)}"
        typer.echo(f"{text:<42}# {field.description}")
