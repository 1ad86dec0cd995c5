"""The tables of a comparison in the manner of the paper's A.1 and A.2, and its series by generation."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from incmask.insight.report.comparison_page.rows import EQUAL, OWN, AnyVariant, ModelRow, RunRow, Variant
from incmask.insight.report.page import Table
from incmask.insight.report.statistics import Summary, summarise
from incmask.method.recipes import RECIPES

ENSEMBLE = "ensemble"
LOWER_IS_BETTER = ("mcce", "loss")
_METRICS = {
    "miou_ad": "mIoU_ad",
    "dice": "Dice",
    "mpa": "mPA",
    "mcce": "MCCE (lower is better)",
    "dataset_iou": "data set's IoU",
    "dataset_miou": "data set's mIoU",
}
_NOTHING = "–"


@dataclass(frozen=True)
class Approach:
    """What stands in one line of a table: a ``Variant`` without its repeat."""

    recipe: str
    setting: str
    budget: str


@dataclass(frozen=True)
class Reported:
    """What one run came to: its generation that is best on validation.

    Attributes:
        run: the run.
        student: of that generation the best on validation, scored on test where there is one.
        all_students: mean score of all students of that generation, on the same split.
        together: score of the members voting together; nan where it was not taken.
    """

    run: RunRow
    student: ModelRow
    all_students: float
    together: float


def approach_name(row: Variant | Approach) -> str:
    """Name a recipe, with its setting where there is one."""
    return f"{row.recipe} {row.setting}".rstrip()


def approach_of(row: Variant) -> Approach:
    """Leave the repeat out."""
    return Approach(row.recipe, row.setting, row.budget)


def by_approach(rows: Iterable[AnyVariant]) -> dict[Approach, list[AnyVariant]]:
    """Gather rows whose recipe, setting and budget are the same."""
    found: dict[Approach, list[AnyVariant]] = {}
    for row in rows:
        found.setdefault(approach_of(row), []).append(row)
    return found


def split_of(models: Iterable[ModelRow]) -> str:
    """Name what approaches are compared on: "test" where anything was scored on it, else "val"."""
    return "test" if any(row.split == "test" for row in models) else "val"


def reported(models: Sequence[ModelRow], runs: Sequence[RunRow]) -> dict[Approach, list[Reported]]:
    """Find the reported value of each run (appendix A.5), by approach: by budget, then as in ``RECIPES``.

    A run whose models were not scored is left out.
    """
    split = split_of(models)
    by_generation: dict[tuple[Approach, int, int], list[ModelRow]] = {}
    for row in models:
        if row.split == split:
            by_generation.setdefault((approach_of(row), row.repeat, row.generation), []).append(row)
    found: dict[Approach, list[Reported]] = {}
    for run in sorted(runs, key=lambda run: (_order(approach_of(run)), run.repeat)):
        rows = by_generation.get((approach_of(run), run.repeat, run.best_generation), [])
        students = [row for row in rows if row.student != ENSEMBLE]
        for student in (row for row in students if row.chosen):
            together = next((row.score for row in rows if row.student == ENSEMBLE), math.nan)
            value = Reported(run, student, fmean(row.score for row in students), together)
            found.setdefault(approach_of(run), []).append(value)
    return found


def best_table(models: Sequence[ModelRow], runs: Sequence[RunRow]) -> Table:
    """Make the table of the best of all repeats, as the paper's A.1 and A.2; each column for itself."""
    metrics = _metrics(models)
    lines = []
    for approach, values in reported(models, runs).items():
        top = max(values, key=lambda value: value.student.score)
        cells = [str(top.run.best_generation), _score(top.student.score)]
        lines.append((*_names(approach, values), *cells, *(_best(values, metric) for metric in metrics)))
    return Table(
        title="The best of all repeats",
        header=("approach", "budget", "repeats", "generation", _main(models), *(_METRICS[name] for name in metrics)),
        rows=tuple(lines),
        note=f"Student and generation are chosen on validation and {_scored(models)}. The best of several is higher "
        "than what to expect of one; approaches are compared by their means." + _truth_note(runs),
    )


def mean_table(models: Sequence[ModelRow], runs: Sequence[RunRow]) -> Table:
    """Make the table of means over repeats, with their errors and what the approaches cost."""
    metrics = _metrics(models)
    costs: dict[str, Callable[[Reported], float]] = {
        "all students": lambda value: value.all_students,
        "members together": lambda value: value.together,
        "steps a model": lambda value: value.student.steps,
        "TFLOPs a student": lambda value: value.run.student_flops / 1e12,
        "TFLOPs in all": lambda value: value.run.total_flops / 1e12,
        "with EvalNets": lambda value: (value.run.total_flops + value.run.evalnet_flops) / 1e12,
        "seconds": lambda value: value.run.seconds,
    }
    lines = []
    for approach, values in reported(models, runs).items():
        main = summarise([value.student.score for value in values])
        cells = [
            ", ".join(str(value.run.best_generation) for value in values),
            _score(main.mean),
            _score(main.standard_error),
            _interval(main),
            *(_mean(values, metric) for metric in metrics),
        ]
        for name, cost in costs.items():
            write = _score if name in ("all students", "members together") else _amount
            cells.append(write(fmean(cost(value) for value in values)))
        lines.append((*_names(approach, values), *cells))
    names = ("approach", "budget", "repeats", "generation", _main(models), "standard error", "95 % interval")
    return Table(
        title="The mean of all repeats",
        header=(*names, *(_METRICS[name] for name in metrics), *costs),
        rows=tuple(lines),
        note=f"Student and generation (one a repeat) are chosen on validation and {_scored(models)}; so are all "
        "students of that generation, and its members voting together. FLOPs count forward passes alone "
        "(equation 1)." + _truth_note(runs),
    )


def series(rows: Sequence[ModelRow], *, metric: str = "score") -> dict[Approach, dict[int, Summary]]:
    """Give the scores over repeats by generation, 0 for base models, of each approach, on test where there is one.

    Args:
        rows: models; the best students on validation count.
        metric: "score" or a name in ``details``; models without it are left out.
    """
    split = split_of(rows)
    values: dict[Approach, dict[int, list[float]]] = {}
    for row in rows:
        value = row.score if metric == "score" else row.details.get(metric)
        if row.chosen and row.student != ENSEMBLE and row.split == split and value is not None:
            values.setdefault(approach_of(row), {}).setdefault(row.generation, []).append(value)
    better = metric not in LOWER_IS_BETTER
    return {
        approach: {
            generation: summarise(of_repeats, higher_is_better=better)
            for generation, of_repeats in sorted(values[approach].items())
        }
        for approach in sorted(values, key=_order)
    }


def _order(approach: Approach) -> tuple[int, int, str, str]:
    # A recipe of someone's own comes after the known ones.
    known = list(RECIPES)
    place = known.index(approach.recipe) if approach.recipe in RECIPES else len(known)
    budgets = (OWN, EQUAL)
    budget = budgets.index(approach.budget) if approach.budget in budgets else len(budgets)
    return budget, place, approach.recipe, approach.setting


def _names(approach: Approach, values: Sequence[Reported]) -> tuple[str, str, str]:
    return approach_name(approach), approach.budget, str(len(values))


def _metrics(models: Sequence[ModelRow]) -> list[str]:
    """The alternative scores that any model has, in the order of the table."""
    held = {name for row in models for name in row.details}
    return [name for name in _METRICS if name in held]


def _main(models: Sequence[ModelRow]) -> str:
    held = {name for row in models for name in row.details}
    name = "IoU" if "iou" in held else "mIoU" if "miou" in held else "score"
    return f"{name} ({'test' if split_of(models) == 'test' else 'validation'})"


def _scored(models: Sequence[ModelRow]) -> str:
    if split_of(models) == "test":
        return "scored on test"
    return "scored on validation again for want of test images, which flatters"


def _truth_note(runs: Sequence[RunRow]) -> str:
    recipes = {run.recipe for run in runs}
    knowing = [name for name, recipe in RECIPES.items() if recipe.needs_truth and name in recipes]
    return f" With the true masks of the unlabelled images: {', '.join(knowing)}." if knowing else ""


def _summary(values: Sequence[Reported], metric: str) -> Summary | None:
    held = [value.student.details[metric] for value in values if metric in value.student.details]
    return summarise(held, higher_is_better=metric not in LOWER_IS_BETTER) if held else None


def _best(values: Sequence[Reported], metric: str) -> str:
    summary = _summary(values, metric)
    return _score(summary.best) if summary else _NOTHING


def _mean(values: Sequence[Reported], metric: str) -> str:
    summary = _summary(values, metric)
    if summary is None:
        return _NOTHING
    return _score(summary.mean) + (f" ± {_score(summary.standard_error)}" if summary.num > 1 else "")


def _interval(summary: Summary) -> str:
    return f"{_score(summary.low)} to {_score(summary.high)}" if summary.num > 1 else _NOTHING


def _score(value: float) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.3f}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
