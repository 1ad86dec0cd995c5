"""The tables of a comparison in the manner of the paper's A.1 and A.2, and its series by generation."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from incmask.experiment.record.stages import ENSEMBLE
from incmask.insight.report.comparison_page.rows import EQUAL, OWN, AnyVariant, ModelRow, RunRow, Variant
from incmask.insight.report.page import Table
from incmask.insight.report.statistics import SCORE_BOUNDS, Summary, summarise
from incmask.method.recipes import RECIPES
from incmask.method.scoring import Scoring

LOWER_IS_BETTER = ("mcce", "loss", "count_error")
_METRICS = {
    "miou": "mIoU of all classes",
    "dice": "Dice",
    "mpa": "mPA",
    "mcce": "MCCE (lower is better)",
    "dataset_iou": "data set's IoU",
    "dataset_miou": "data set's mIoU",
}
NOTHING = "–"


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
        num_students: of that generation, of which ``student`` is the best.
        num_generations: of which that generation is the best.
    """

    run: RunRow
    student: ModelRow
    all_students: float
    together: float
    num_students: int
    num_generations: int

    @property
    def candidates(self) -> str:
        """How many models the reported one was chosen from."""
        return f"{self.num_generations} × {self.num_students}" if self.num_generations > 1 else str(self.num_students)

    @property
    def steps(self) -> str:
        """Of training."""
        return f"{self.student.steps:,} a model, {self.run.total_steps:,} in all"


Column = Callable[[Sequence[Reported]], str]


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
        one = (approach_of(run), run.repeat)
        rows = by_generation.get((*one, run.best_generation), [])
        students = [row for row in rows if row.student != ENSEMBLE]
        for student in (row for row in students if row.chosen):
            together = next((row.score for row in rows if row.student == ENSEMBLE), math.nan)
            value = Reported(
                run=run,
                student=student,
                all_students=fmean(row.score for row in students),
                together=together,
                num_students=len(students),
                num_generations=sum(key[:2] == one for key in by_generation),
            )
            found.setdefault(approach_of(run), []).append(value)
    return found


def best_table(models: Sequence[ModelRow], runs: Sequence[RunRow], *, scoring: Scoring) -> Table:
    """Make the table of the best of all repeats, as the paper's A.1 and A.2; each column for itself.

    Args:
        models, runs: of the comparison.
        scoring: what their main score is.
    """
    columns: dict[str, Column] = {
        "generation": lambda values: str(max(values, key=lambda value: value.student.score).run.best_generation),
        _main(models, scoring): lambda values: score_text(max(value.student.score for value in values)),
        **{_METRICS[name]: partial(_best, metric=name) for name in _metrics(models)},
    }
    note = (
        f"Student and generation are chosen on validation and {_scored(models)}. The best of several is higher than "
        "what to expect of one; approaches are compared by their means."
    )
    return make_table("The best of all repeats", columns, models, runs, note)


def mean_table(models: Sequence[ModelRow], runs: Sequence[RunRow], *, scoring: Scoring) -> Table:
    """Make the table of means over repeats, with their errors.

    Args:
        models, runs: of the comparison.
        scoring: what their main score is.
    """
    columns: dict[str, Column] = {
        "generation": lambda values: ", ".join(str(value.run.best_generation) for value in values),
        _main(models, scoring): lambda values: score_text(_scores(values).mean),
        "standard error": lambda values: score_text(_scores(values).standard_error),
        "95 % interval": lambda values: interval_text(_scores(values)),
        **{_METRICS[name]: partial(_mean, metric=name) for name in _metrics(models)},
        "best of": lambda values: ", ".join(dict.fromkeys(value.candidates for value in values)),
        "all students": lambda values: score_text(fmean(value.all_students for value in values)),
        "members together": lambda values: score_text(fmean(value.together for value in values)),
    }
    note = (
        f"Student and generation (one a repeat) are chosen on validation and {_scored(models)}; so are all students of "
        "that generation, and its members voting together. Best of: the generations and their students that the best "
        "was chosen from; the mean of all students owes nothing to their number."
        f"{f' {scoring.note}' if scoring.note else ''}"
    )
    return make_table("The mean of all repeats", columns, models, runs, note)


def make_table(
    title: str, columns: Mapping[str, Column], models: Sequence[ModelRow], runs: Sequence[RunRow], note: str
) -> Table:
    """Make a line an approach of what its repeats came to."""
    recipes = {run.recipe for run in runs}
    knowing = [name for name, recipe in RECIPES.items() if recipe.needs_truth and name in recipes]
    return Table(
        title=title,
        header=("approach", "budget", "repeats", *columns),
        rows=tuple(
            (approach_name(approach), approach.budget, str(len(values)), *(write(values) for write in columns.values()))
            for approach, values in reported(models, runs).items()
        ),
        note=note + (f" With the true masks of the unlabelled images: {', '.join(knowing)}." if knowing else ""),
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
    return {
        approach: {
            generation: _summarise(of_repeats, metric) for generation, of_repeats in sorted(values[approach].items())
        }
        for approach in sorted(values, key=_order)
    }


def best_settings(rows: Sequence[ModelRow], *, metric: str = "score") -> dict[str, str]:
    """Choose a setting for each recipe: whose best generation has the best mean on validation, where that is known.

    Args:
        rows: of any recipes and settings, and of one budget.
        metric: as for ``series``.
    """
    best: dict[str, str] = {}
    for split in ("test", "val"):  # the later goes before the earlier
        scores: dict[str, dict[str, float]] = {}
        for one, summaries in series([row for row in rows if row.split == split], metric=metric).items():
            value = reached(summaries, metric) * (-1 if metric in LOWER_IS_BETTER else 1)
            scores.setdefault(one.recipe, {})[one.setting] = value
        best |= {recipe: max(settings, key=settings.__getitem__) for recipe, settings in scores.items()}
    return best


def reached(summaries: Mapping[int, Summary], metric: str) -> float:
    """Give the mean of the best generation; that of the base models counts if there is no other."""
    means = {generation: summary.mean for generation, summary in summaries.items()}
    choose = min if metric in LOWER_IS_BETTER else max
    return choose([mean for generation, mean in means.items() if generation > 0] or means.values())


def _order(approach: Approach) -> tuple[int, int, str, str]:
    # A recipe of someone's own comes after the known ones.
    known = list(RECIPES)
    place = known.index(approach.recipe) if approach.recipe in RECIPES else len(known)
    budgets = (OWN, EQUAL)
    budget = budgets.index(approach.budget) if approach.budget in budgets else len(budgets)
    return budget, place, approach.recipe, approach.setting


def _metrics(models: Sequence[ModelRow]) -> list[str]:
    """Give the alternative scores that any model has, in the order of the table."""
    held = {name for row in models for name in row.details}
    # Of all classes it is an alternative where a class that marks positions is none of the main score's.
    return [name for name in _METRICS if name in held and (name != "miou" or "miou_ad" in held)]


def _main(models: Sequence[ModelRow], scoring: Scoring) -> str:
    return f"{scoring.full_name}, {'test' if split_of(models) == 'test' else 'validation'}"


def _scored(models: Sequence[ModelRow]) -> str:
    if split_of(models) == "test":
        return "scored on test"
    return "scored on validation again for want of test images, which flatters"


def _scores(values: Sequence[Reported]) -> Summary:
    return _summarise([value.student.score for value in values], "score")


def summary_of(values: Sequence[Reported], metric: str) -> Summary | None:
    held = [value.student.details[metric] for value in values if metric in value.student.details]
    return _summarise(held, metric) if held else None


def _summarise(values: Sequence[float], metric: str) -> Summary:
    is_error = metric in LOWER_IS_BETTER
    return summarise(values, higher_is_better=not is_error, bounds=(0.0, math.inf) if is_error else SCORE_BOUNDS)


def _best(values: Sequence[Reported], *, metric: str) -> str:
    summary = summary_of(values, metric)
    return score_text(summary.best) if summary else NOTHING


def _mean(values: Sequence[Reported], *, metric: str) -> str:
    summary = summary_of(values, metric)
    if summary is None:
        return NOTHING
    return score_text(summary.mean) + (f" ± {score_text(summary.standard_error)}" if summary.num > 1 else "")


def interval_text(summary: Summary) -> str:
    return f"{score_text(summary.low)} to {score_text(summary.high)}" if summary.num > 1 else NOTHING


def score_text(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.3f}"
