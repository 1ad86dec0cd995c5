"""The command that searches for settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incmask.commands.arguments import Data, Json, PresetOption, ProfileOption, Quiet, RecipeOption
from incmask.commands.shell import executor, listener, print_result

if TYPE_CHECKING:
    from incmask.insight.tuning.tune import Tuning


def tune(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder or URL; an unfinished search goes on  [default: DATA-tune]"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="of all networks of all trials together, at most  [default: 20000]"),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=2, help="that begin  [default: as many as the steps allow, 2 to 27]")
    ] = None,
    recipe: RecipeOption = None,
    preset: PresetOption = None,
    profile: ProfileOption = None,
    assignments: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE[,VALUE...]",
            help="any setting, see `incmask settings`: one value is fixed, several are tried; may be repeated",
        ),
    ] = [],  # noqa: B006 - typer copies it
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Try settings at random, ever fewer for ever longer; write the best by validation for `run --config`."""
    from incmask.api.tuning import DEFAULT_STEPS
    from incmask.api.tuning import tune as search
    from incmask.commands.assignments import parse_grid

    grid = parse_grid(assignments)
    with listener(quiet or as_json) as progress:
        given: dict[str, Any] = {
            "out": out,
            "num_steps": steps or DEFAULT_STEPS,
            "num_trials": trials,
            "recipe": recipe,
            "preset": preset,
            "profile": profile,
            "settings": grid.single,
            "grid": grid.several,
        }
        found = search(data, **given, progress=progress, executor=executor())
    print_result(tuning_text(found, data, out or found.root), tuning_as_dict(found), as_json=as_json)


def tuning_text(found: "Tuning", data: str, out: Path) -> str:
    """Give a line a trial of the last rung, what was chosen, and how far that can be trusted.

    Args:
        found: what came out.
        data: as a person named it.
        out: the same.
    """
    from incmask.data.storage import told_below

    last = [row for row in found.rows if row.rung == found.best.rung]
    num_trials = len({row.trial for row in found.rows})
    lines = [f"{'validation':<12}{f'with {found.best.num_steps} steps a network'}"]
    lines += [
        f"{'diverged' if row.validation is None else format(row.validation, '.4f'):<12}{row.setting}" for row in last
    ]
    lines += [
        f"tried           {num_trials} of {', '.join(found.space)}; {found.num_steps} steps in all",
        f"chosen          {found.best.setting}",
        f"score           {found.score_name}",
    ]
    if not found.settings:
        lines.append("nothing that was tried is better than the settings as they are")
    else:
        gain = "whose training diverged" if found.difference is None else f"by {found.difference:+.4f}"
        lines.append(
            f"validation alone chose it over the settings as they are, {gain}: its score there is too good, with one "
            "seed each; so small a search often finds chance"
        )
    config, run = told_below(out, found.config.name), told_below(out.parent, f"{out.name}-run")
    return "\n".join([*lines, f"next: incmask run {data} --config {config} -o {run}"])


def tuning_as_dict(found: "Tuning") -> dict[str, Any]:
    """Give the same for machines."""
    return {
        "tuning": str(found.root),
        "config": str(found.config),
        "settings": found.settings,
        "validation": found.best.validation,
        "difference": found.difference,
        "score": found.score_name,
        "steps": found.num_steps,
        "space": found.space,
        "rows": [vars(row) for row in found.rows],
    }
