"""Figures and picture sheets of a comparison, from its rows and its run folders."""

from collections.abc import Sequence

from incmask.base.tables import read_rows
from incmask.data.stack import Stack
from incmask.experiment.paths import EVALNETS, INDEX, PSEUDO, RATINGS, stack_folder
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.setup import stage_name
from incmask.insight.comparison.compare import ComparedRun, Comparison
from incmask.insight.report.comparison_page import figures
from incmask.insight.report.comparison_page.rows import EQUAL, OWN
from incmask.insight.report.comparison_page.sheets import (
    PseudoSource,
    choose_images,
    masks_against_votes,
    over_generations,
    truth_against_pseudo,
)
from incmask.insight.report.page import Figures
from incmask.insight.report.picture import Drawing, PictureSheet

_SHEET_IMAGES = 4
_BEST_WITH_PSEUDO_LABELS = ("im++", "aim++", "im+", "aim+", "im", "me")
"""Whose pseudo-labels are shown beside the truth: the first that was run."""


def figure_groups(comparison: Comparison) -> list[Figures]:
    """Draw all figures that there is something to draw of."""
    models, totals = comparison.models, comparison.totals
    budgets = [budget for budget in (OWN, EQUAL) if any(row.budget == budget for row in models)]
    names = {name for row in models for name in row.details}
    metrics = ["score", *(name for name in ("miou_ad", "mcce") if name in names)]
    recipes = list(dict.fromkeys(row.recipe for row in models))
    pseudo = {budget: [row for row in comparison.pseudo if row.budget == budget] for budget in budgets}
    groups = (
        (
            "Score by generation",
            "The best student of each generation by validation, mean over repeats (figures 5 and A.6), and with its "
            "standard error (A.7).",
            [
                figures.score_by_generation(models, budget=budget, metric=metric, with_error=with_error)
                for budget in budgets
                for metric in metrics
                for with_error in (False, True)
            ],
        ),
        (
            "Settings",
            "Each swept setting of an approach (figures 6, A.8 to A.11); the best by validation stands out.",
            [figures.sweep(models, recipe=recipe, budget=budget) for budget in budgets for recipe in recipes],
        ),
        (
            "Cost",
            "Operations to train one student of the best generation, without the EvalNets (figure 8).",
            [figures.score_by_cost(models, totals, budget=budget) for budget in budgets],
        ),
        (
            "Class frequencies",
            "Pixels of each class in the pseudo-labels, less those in the true masks (figure 9).",
            [
                figures.class_frequencies([row for row in comparison.frequencies if row.budget == budget])
                for budget in budgets
            ],
        ),
        (
            "Predicted or true quality",
            "Copies by the EvalNets' ratings, and by the true quality (figure 10).",
            [figures.predicted_against_true(models, budget=budget) for budget in budgets],
        ),
        (
            "Inconsistency masks",
            "How large they are, and whether they tell which pseudo-labels are wrong (section 3.11).",
            [figures.mask_size_by_generation(pseudo[budget]) for budget in budgets]
            + [
                figures.mask_size_against_error(pseudo[budget], recipe=recipe, setting=setting, budget=budget)
                for budget in budgets
                for recipe, setting in dict.fromkeys(
                    (row.recipe, row.setting) for row in pseudo[budget] if row.inconsistent_fraction > 0
                )
            ],
        ),
        ("EvalNets", "Predicted against true quality of the validation pairs.", _ratings(comparison.runs)),
    )
    return [
        Figures(tuple(_distinct([picture for picture in pictures if picture])), title, text)
        for title, text, pictures in groups
        if any(pictures)
    ]


def picture_sheets(comparison: Comparison) -> list[PictureSheet]:
    """Draw what students of the first repeat saw (figures 7, 11 and 12)."""
    first: dict[str, ComparedRun] = {}
    for run in comparison.runs:
        first.setdefault(run.cell.variant.recipe, run)
    sheets: list[PictureSheet | None] = []
    if "im" in first:
        rows = _spread(first["im"])
        if "me" in first:
            sheets.append(
                masks_against_votes(_source(comparison, first["im"]), _source(comparison, first["me"]), rows=rows)
            )
    for name in ("im+", "aim+"):
        if name in first:
            source, rows = _source(comparison, first[name]), _spread(first[name])
            sheets += [over_generations(source, row=row) for row in rows[1:3]]
    shown = next((name for name in _BEST_WITH_PSEUDO_LABELS if name in first), None)
    if shown:
        sheets.append(truth_against_pseudo(_source(comparison, first[shown]), rows=_spread(first[shown])))
    return [sheet for sheet in sheets if sheet]


def _spread(run: ComparedRun) -> tuple[int, ...]:
    """Give a few images over all sizes of masks in the first generation."""
    known = read_pseudo_labels(run.outcome.root / stage_name(1) / PSEUDO / INDEX)
    return choose_images(known.inconsistent_fraction, num=_SHEET_IMAGES)


def _source(comparison: Comparison, run: ComparedRun) -> PseudoSource:
    dataset = run.cell.chosen.dataset
    stack = Stack(stack_folder(comparison.root, "unlabelled"), ())
    return PseudoSource(
        title=run.cell.variant.recipe,
        images=stack.images,
        labels=stack.labels if stack.labels.exists() else None,
        generations=tuple(
            run.outcome.root / stage_name(generation) / PSEUDO for generation in range(1, len(run.outcome.stages))
        ),
        task=dataset.task,
        class_colours=tuple(each.colour for each in dataset.classes),
        blocked=run.cell.chosen.recipe.blocking is not None,
    )


def _ratings(runs: Sequence[ComparedRun]) -> list[Drawing | None]:
    pictures = []
    for run in runs:
        variant, judges = run.cell.variant, run.outcome.trained.judges
        # The other repeats look alike; their numbers stand in the table.
        if judges is None or variant.repeat > 1:
            continue
        ratings = read_rows(run.outcome.root / EVALNETS / RATINGS, dict[str, str])
        title = " ".join(part for part in (variant.recipe, variant.setting, variant.budget) if part)
        report = judges.report
        pictures.append(
            figures.quality_scatter(
                [float(each["predicted"]) for each in ratings],
                [float(each["true"]) for each in ratings],
                mae=report.mae,
                pearson=float("nan") if report.pearson is None else report.pearson,
                spearman=float("nan") if report.spearman is None else report.spearman,
                title=f"EvalNets of {title}",
            )
        )
    return pictures


def _distinct(pictures: Sequence[Drawing]) -> list[Drawing]:
    """Give each name once: names become ids."""
    return list({picture.name: picture for picture in pictures}.values())
