"""The command of the labelling loop."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incmask.base.errors import fail
from incmask.commands.arguments import DataFolder, EffortOption, Json, Quiet, RecipeOption, SetOption, Yes
from incmask.commands.shell import executor, listener, or_without, print_result

if TYPE_CHECKING:
    from incmask.api.looping import LoopState
    from incmask.insight.ranking.simulation import Simulation


def loop(
    data: DataFolder,
    budget: Annotated[int, typer.Option("--budget", min=1, help="images to label in all")],
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="in how many shares")] = 5,
    oracle: Annotated[
        Path | None,
        typer.Option(
            "--oracle",
            help="simulate: folder of the true masks of the unlabelled images, as they lie in labelled/masks  "
            "[default: a person labels]",
        ),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            "--order",
            help="ranked, diverse, core-set, typical, entropy or random, as for rank; with --oracle several, with "
            "commas between  [default: ranked; with --oracle ranked,random]",
        ),
    ] = None,
    start: Annotated[
        int | None,
        typer.Option(
            "--start", min=1, help="--oracle: labelled images to start with, drawn anew for each seed  [default: all]"
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="--oracle: how often all is repeated  [default: 5]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="--oracle: folder; an unfinished simulation goes on  [default: DATA-loop]"),
    ] = None,
    recipe: RecipeOption = None,
    effort: EffortOption = None,
    time: Annotated[
        str | None,
        typer.Option("--time", help="how long each round may train, such as 20m; not with --oracle  [default: 20m]"),
    ] = None,
    assignments: SetOption = [],  # noqa: B006 - typer copies it
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train, rank, label, and once more: the same command after each round; --oracle simulates all of it."""
    from incmask.api.looping import LoopState
    from incmask.api.looping import loop as run_loop
    from incmask.commands.assignments import parse_assignments
    from incmask.experiment.named import AUTO_TIME
    from incmask.insight.ranking.present import FIGURE, simulation_as_dict, simulation_text, write_picture

    orders = tuple(name.strip() for name in order.split(",") if name.strip()) if order is not None else None
    if orders == ():
        raise fail("--order", "names no order", "name one, such as ranked")
    with listener(quiet or as_json) as progress:
        given: dict[str, Any] = {
            "budget": budget,
            "num_rounds": rounds,
            "oracle": oracle,
            "order": orders,
            "num_start": start,
            "num_seeds": seeds,
            "out": out,
            "recipe": recipe,
            "effort": effort,
            "time": time or AUTO_TIME,
            "settings": parse_assignments(assignments) or None,
            "yes": yes,
        }
        done: LoopState | Simulation = run_loop(data, **given, progress=progress, executor=executor())
    if isinstance(done, LoopState):
        print_result(state_text(done), state_as_dict(done), as_json=as_json)
        return
    with or_without(done.root / FIGURE, "figure") as problems:
        write_picture(done)
    values = simulation_as_dict(done) | {"problems": problems}
    print_result("\n".join([simulation_text(done), *problems]), values, as_json=as_json)


def state_text(state: "LoopState") -> str:
    """Give a line a round, and what is next."""
    lines = [f"{'round':<7}{'labelled':>9}{'added':>7}{'validation':>12}"]
    for each in state.scores:
        other = "" if each.comparable else "  on other images"
        lines.append(f"{each.number:<7}{each.num_labelled:>9}{each.num_added:>7}{each.score:>12.4f}{other}")
    lines += [f"score           {state.score_name}", f"budget left     {max(state.num_left, 0)}"]
    return "\n".join([*lines, *(f"next: {step}" for step in state.next_steps[:1]), *state.next_steps[1:]])


def state_as_dict(state: "LoopState") -> dict[str, Any]:
    """Give the same for machines."""
    return {
        "run": str(state.run),
        "rounds": [vars(each) for each in state.scores],
        "score": state.score_name,
        "budget_left": max(state.num_left, 0),
        "images": list(state.names),
        "corrected": state.num_corrected,
        "next": list(state.next_steps),
    }
