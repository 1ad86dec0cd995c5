"""What a comparison trains: every approach, setting, budget and repeat, base models first."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from incmask.base.caller import option
from incmask.base.caller import setting as setting_of
from incmask.base.choosing import resolve_again
from incmask.base.errors import fail
from incmask.base.validation import choose
from incmask.data.split import can_hold_out
from incmask.experiment.choices import Resolved, check_recipe
from incmask.experiment.named import OWN_RECIPE, name_of
from incmask.experiment.paths import RUNS
from incmask.insight.report.comparison_page.rows import EQUAL, OWN, Variant
from incmask.method.recipe import Recipe
from incmask.method.recipes import RECIPES

ALL = "all"
_LONGEST_SETTING = 120
_SHARED = ("seed", "device", "devices_per_network", "num_workers", "size", "fit", "net", "encoder_weights")
_OF_BUDGET = ("steps_per_epoch", "batch_size")


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison.

    Attributes:
        variant: what stands in the tables.
        chosen: every choice.
        folder: of the run, below the comparison's.
        bases: folders of the runs whose base models it takes over, by recipe.
    """

    variant: Variant
    chosen: Resolved
    folder: Path
    bases: dict[str, Path]


def recipes_of(names: Sequence[str | Recipe], chosen: Resolved) -> dict[str, Recipe]:
    """Give the recipes that are meant, in the order of ``RECIPES``, with the base recipes that they start from.

    Args:
        names: of recipes, or recipes of one's own, which come last; ``("all",)``: those that the data allow.
        chosen: the data.

    Raises:
        IncmaskError: an unknown name, or a recipe that the data do not allow.
    """
    has_truth = all(item.masks is not None for item in chosen.dataset.unlabelled)
    if tuple(names) == (ALL,):
        names = [name for name, recipe in RECIPES.items() if has_truth or not recipe.needs_truth]
    given = dict.fromkeys(names)
    if not given:
        raise fail(option("recipes"), "names no approach", f"choose from {', '.join(RECIPES)}, or all")
    own = [each for each in given if isinstance(each, Recipe) and name_of(each) == OWN_RECIPE]
    wanted = {
        name_of(each): choose(RECIPES, name_of(each), option=option("recipes")) for each in given if each not in own
    }
    # LDT is what every approach is measured by.
    wanted |= {
        name: RECIPES[name] for name in ("ldt", *(base for each in (*wanted.values(), *own) for base in each.bases))
    }
    meant = {name: recipe for name, recipe in RECIPES.items() if name in wanted}
    meant |= {f"{OWN_RECIPE}-{number}" if number > 1 else OWN_RECIPE: each for number, each in enumerate(own, 1)}
    for name, recipe in meant.items():
        check_recipe(chosen.settings, chosen.dataset, recipe, name=name)
    return meant


def plan(
    chosen: Resolved,
    recipes: Mapping[str, Recipe],
    *,
    num_repeats: int,
    grid: Mapping[str, Sequence[object]],
    equal_steps: int | None,
) -> list[PlannedRun]:
    """List the runs, each after those that it takes base models from.

    Args:
        chosen: the choices that all share.
        recipes: from ``recipes_of``.
        num_repeats: with seeds that follow each other.
        grid: swept settings and their values; a recipe is swept over those that matter to it.
        equal_steps: steps an epoch for a second budget, the same for all recipes; None: no second budget.

    Raises:
        IncmaskError: a setting outside its range, or one that cannot be swept.
    """
    for setting in grid:
        if setting in _SHARED:
            raise fail(setting_of(setting), "is the same for the whole comparison", "give it one value")
        if equal_steps and setting in _OF_BUDGET:
            raise fail(
                setting_of(setting),
                "decides what equal steps are",
                f"give it one value, or drop {option('equal-steps')}",
            )
        groups = chosen.dataset.groups()
        if setting == "num_students" and not chosen.dataset.val and not can_hold_out(tuple(groups), groups):
            # Base models trained on the folds of one number have seen what others validate on.
            raise fail(setting_of(setting), "decides the folds of so few images without val/", "give it one value")
    budgets: list[tuple[str, dict[str, object]]] = [(OWN, {})]
    if equal_steps:
        budgets.append((EQUAL, {"steps_per_epoch": equal_steps}))
    cells: dict[tuple[str, int, str], PlannedRun] = {}
    for (budget, steps), repeat in itertools.product(budgets, range(1, num_repeats + 1)):
        for name, recipe in recipes.items():
            if budget == EQUAL and recipe.labelled in ("full", "strong"):
                # These take as many steps anyway.
                continue
            for swept in _combinations(recipe, grid):
                changes = {**steps, **swept, "seed": chosen.settings.seed + repeat - 1}
                settings = resolve_again(chosen.settings, changes, where=option("set"))
                check_recipe(settings, chosen.dataset, recipe, name=name)
                variant = Variant(name, _name(swept), budget, repeat)
                cells[name, repeat, f"{budget} {variant.setting}"] = PlannedRun(
                    variant=variant,
                    chosen=replace(chosen, recipe=recipe, settings=settings, names={**chosen.names, "recipe": name}),
                    folder=folder_of(variant),
                    bases={
                        base: folder_of(Variant(base, _name(swept, only_for=RECIPES[base]), budget, repeat))
                        for base in recipe.bases
                    },
                )
    return list(cells.values())


def folder_of(variant: Variant) -> Path:
    """Give the folder of a run, below the comparison's.

    Raises:
        IncmaskError: its name would be too long.
    """
    if len(variant.setting) > _LONGEST_SETTING:
        raise fail(
            option("set"), f"sweeps too many settings at once ({variant.setting})", "sweep fewer in one comparison"
        )
    name = f"{variant.recipe} {variant.setting}".rstrip()
    return Path(RUNS) / variant.budget / f"repeat-{variant.repeat}" / name


def _combinations(recipe: Recipe, grid: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Give the settings that a recipe is trained with: all combinations of those that matter to it."""
    names = [name for name in grid if recipe.depends_on(name)]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(grid[name] for name in names))]


def _name(swept: Mapping[str, object], *, only_for: Recipe | None = None) -> str:
    """Settings as they stand in tables and in the names of folders: without a separator of folders."""
    return " ".join(
        f"{key}={str(value).replace('/', '_')}"
        for key, value in swept.items()
        if only_for is None or only_for.depends_on(key)
    )
