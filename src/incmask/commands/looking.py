"""The commands that look at a run that has ended: what to label next, its report, and whether it is whole."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from incmask.base.errors import fail
from incmask.commands.arguments import Json, Quiet, SetOption
from incmask.commands.shell import executor, listener, or_without, print_result


def rank(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run that has ended, or its URL")],
    out: Annotated[
        Path | None,
        typer.Option(
            *("--out", "-o"),
            help="file to write, or folder of the simulation  [default: RUN/ranking.csv, and nothing with --top or "
            "--crops; RUN-simulation]",
        ),
    ] = None,
    crops: Annotated[
        int | None, typer.Option("--crops", metavar="PIXELS", help="rank square crops with this side, not whole images")
    ] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, help="so many rows  [default: all]")] = None,
    order: Annotated[
        str,
        typer.Option(
            "--order",
            help="ranked (what the models get wrong, with all that is like it), diverse (what is like most others), "
            "core-set (what is farthest from all that is known), typical (of each cluster without a label), entropy "
            "(what is most doubtful) or random; with --simulate beside the usual ones",
        ),
    ] = "ranked",
    simulate: Annotated[
        bool, typer.Option("--simulate", help="try on your own labels whether ranking beats random; trains anew")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="--simulate: data folder, where it was moved  [default: as the run tells]"),
    ] = None,
    pool: Annotated[
        Literal["labelled", "unlabelled"],
        typer.Option("--pool", help="--simulate: hide labels of labelled/, or use true masks in unlabelled/masks"),
    ] = "labelled",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="--simulate: how often all is repeated")] = 5,
    start: Annotated[
        int | None,
        typer.Option("--start", min=1, help="--simulate: labelled images to start with  [default: a quarter]"),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option("--budget", min=1, help="--simulate: labels to buy  [default: a quarter of the labelled images]"),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="--simulate: approach to train with  [default: the run's]")
    ] = None,
    assignments: SetOption = [],  # noqa: B006 - typer copies it
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say which unlabelled images to label next, and why; --simulate tries whether that beats labelling at random."""
    if not simulate:
        from incmask.api.folders import rank as rank_run
        from incmask.data.storage import told_below
        from incmask.experiment.paths import RANKING
        from incmask.insight.ranking.present import ranking_as_dict, ranking_text

        given = {"--data": data, "--start": start, "--budget": budget, "--recipe": recipe, "--set": assignments}
        if wrong := next((name for name, value in given.items() if value), None):
            raise fail(wrong, "is for --simulate alone", "leave it out, or add --simulate")
        with listener(quiet or as_json) as progress:
            view = {"out": out, "crop_px": crops, "top": top, "order": order}
            ranking = rank_run(run, **view, progress=progress, executor=executor())  # type: ignore[arg-type]
        is_view = top is not None or crops is not None
        path = out or (None if is_view else told_below(run, RANKING))
        print_result(ranking_text(ranking, path), ranking_as_dict(ranking, path), as_json=as_json)
        return
    from incmask.api.listening import folder_of, results_beside, run_at
    from incmask.commands.assignments import parse_assignments
    from incmask.data.rounds import data_folder
    from incmask.insight.ranking.present import FIGURE, simulation_as_dict, simulation_text, write_picture
    from incmask.insight.ranking.simulate import USUAL_ORDERS, choices_of_run
    from incmask.insight.ranking.simulate import simulate as run_simulation

    if wrong := next((name for name, value in {"--crops": crops, "--top": top}.items() if value), None):
        raise fail(wrong, "is not for --simulate", "leave it out; --budget tells how many images are labelled")
    settings = parse_assignments(assignments)
    with (
        listener(quiet or as_json) as progress,
        run_at(run, progress, writes=False) as (source, _),
        run_at(out or results_beside(run, source, ending="simulation"), progress) as (folder, heard),
    ):
        theirs = folder_of(data, heard) if data else data_folder(source)
        simulation = run_simulation(
            choices_of_run(source, theirs, recipe=recipe, settings=settings),
            folder,
            executor=executor(),
            pool=pool,
            orders=tuple(dict.fromkeys([order, *USUAL_ORDERS])),
            num_seeds=seeds,
            num_start=start,
            budget=budget,
            progress=heard,
        )
        with or_without(folder / FIGURE, "figure") as problems:
            write_picture(simulation)
    values = simulation_as_dict(simulation) | {"problems": problems}
    print_result("\n".join([simulation_text(simulation), *problems]), values, as_json=as_json)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run, or its URL")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write report.html into a run folder: scores, whether the unlabelled images helped, doubtful images."""
    from incmask.api.folders import report as report_run

    with listener(quiet or as_json) as progress:
        progress.doing("writing the report")
        page = report_run(run, progress=progress, executor=executor())
    print_result(f"report         {page}", {"report": str(page)}, as_json=as_json)


def status(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run, comparison or search, or its URL")],
    as_json: Json = False,
) -> None:
    """Tell how far a run is, from its files alone: stage, share, time left, last sign of life, errors."""
    from incmask.api.watching import status as read_status

    found = read_status(run)
    print_result("\n".join(found.lines()), found.as_dict(), as_json=as_json)


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run, comparison or search, or its URL")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Read every file of a run and list what is damaged, gone or unknown; exit code 1 where something is."""
    from incmask.api.watching import verify as verify_run

    with listener(quiet or as_json) as progress:
        found = verify_run(run, progress=progress)
    print_result("\n".join(found.lines()), found.as_dict(), as_json=as_json)
    if not found.is_whole:
        raise typer.Exit(1)
