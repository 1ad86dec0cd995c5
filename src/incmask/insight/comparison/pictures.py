"""Figures and picture sheets of a comparison, from its rows and its run folders."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from incmask.base.intact import intact
from incmask.base.npy_rows import Rows
from incmask.base.tables import read_rows
from incmask.data.stack import Stack
from incmask.experiment.jobs import voters_of
from incmask.experiment.paths import EVALNETS, INDEX, PSEUDO, RATINGS, stack_folder
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.setup import stage_name
from incmask.insight.comparison.compare import Comparison
from incmask.insight.comparison.running import ComparedRun
from incmask.insight.report.comparison_page import figures
from incmask.insight.report.comparison_page.rows import EQUAL, OWN
from incmask.insight.report.comparison_page.sheets import (
    PseudoSource,
    choose_images,
    masks_against_votes,
    over_generations,
    truth_against_pseudo,
)
from incmask.insight.report.comparison_page.tables import best_settings
from incmask.insight.report.page import Figures
from incmask.insight.report.picture import Drawing, PictureSheet, Pixels
from incmask.method.agreement import combine
from incmask.method.labels import labels_of
from incmask.nets.forward import predict_probabilities
from incmask.nets.spec import load_model

_SHEET_IMAGES = 4
_BEST_WITH_PSEUDO_LABELS = ("im++", "aim++", "im+", "aim+", "im", "me")
"""Whose pseudo-labels are shown beside the truth: the first that was run."""


def figure_groups(comparison: Comparison) -> list[Figures]:
    """Draw all figures that there is something to draw of."""
    models, totals = comparison.models, comparison.totals
    budgets = [budget for budget in (OWN, EQUAL) if any(row.budget == budget for row in models)]
    recipes = list(dict.fromkeys(row.recipe for row in models))
    pseudo = comparison.pseudo
    groups = (
        (
            "Score by generation",
            "The best student of each generation by validation, mean over repeats: of approaches that are better than "
            "LDT in any generation (figure 5) and with standard errors (A.7); of all approaches, where some are not "
            "(A.6); by another score (A.4, and A.5 by counting errors).",
            [drawing for budget in budgets for drawing in _scores_by_generation(comparison, budget)],
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
            "Pixels of each class in the pseudo-labels, less those in the true masks (figure 9). FD: in all true "
            "masks; LD: in those of the labelled images, less those in all.",
            [
                figures.class_frequencies(comparison.frequencies, comparison.data_frequencies, budget=budget)
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
            [figures.mask_size_by_generation(pseudo, budget=budget) for budget in budgets]
            + [
                figures.mask_size_against_error(pseudo, recipe=recipe, setting=setting, budget=budget)
                for recipe, setting, budget in dict.fromkeys(
                    (row.recipe, row.setting, row.budget) for row in pseudo if row.inconsistent_fraction > 0
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


def _scores_by_generation(comparison: Comparison, budget: str) -> list[Drawing | None]:
    """Draw figures 5, A.7, A.6, A.5 and A.4 of a budget, as far as there is something to draw."""
    models = comparison.models
    names = {name for row in models for name in row.details}
    draw = partial(figures.score_by_generation, models, budget=budget)
    drawn = [draw(above_ldt=True), draw(above_ldt=True, with_error=True)]
    if figures.never_above_ldt(models, budget=budget):
        drawn.append(draw())
    if "miou_ad" in names:  # that is the score, and this is with the class that marks positions
        drawn.append(draw(metric="miou"))
    if "mcce" in names:
        return [*drawn, draw(metric="mcce"), draw(metric="mcce", with_error=True)]
    kind = labels_of(comparison.chosen.dataset.task)
    return [*drawn, draw(metric="mpa" if kind.is_exclusive else "dice", above_ldt=True)]


def picture_sheets(comparison: Comparison) -> list[PictureSheet]:
    """Draw what students saw (figures 7, 11 and 12): of a sweep those of the best setting, and of the first repeat."""
    shown = _shown_runs(comparison)
    sources = {name: _source(comparison, run) for name, run in shown.items()}
    sheets: list[PictureSheet | None] = []
    if "im" in shown and "me" in shown:
        rows = _spread(shown["im"])
        other = other_vote(shown["me"], sources["me"].images, rows)
        sheets.append(masks_against_votes(sources["im"], sources["me"], rows=rows, other_vote=other))
    for name in ("im+", "aim+"):
        if name in shown:
            sheets += [over_generations(sources[name], row=row) for row in _spread(shown[name])[1:3]]
    best = next((name for name in _BEST_WITH_PSEUDO_LABELS if name in shown), None)
    if best:
        sheets.append(truth_against_pseudo(sources[best], rows=_spread(shown[best])))
    return [sheet for sheet in sheets if sheet]


def _shown_runs(comparison: Comparison) -> dict[str, ComparedRun]:
    """Choose a run of each recipe: of the best setting by validation, in the first budget and repeat."""
    budget = comparison.runs[0].cell.variant.budget
    best = best_settings([row for row in comparison.models if row.budget == budget])
    shown: dict[str, ComparedRun] = {}
    for run in comparison.runs:
        variant = run.cell.variant
        if variant.budget == budget and variant.setting == best.get(variant.recipe, variant.setting):
            shown.setdefault(variant.recipe, run)
    return shown


def other_vote(run: ComparedRun, images: Path, rows: Sequence[int]) -> Pixels:
    """Let the teachers of generation 1 vote as their recipe does not: softly where it votes hard, and the reverse.

    Args:
        run: of a recipe whose teachers vote.
        images: of the unlabelled stack.
        rows: of some images.

    Returns:
        Labels uint8, (rows, H, W) or (rows, H, W, K).
    """
    chosen, task = run.cell.chosen, run.cell.chosen.dataset.task
    assert chosen.recipe.labeller is not None
    voters = voters_of(chosen.recipe.labeller, chosen.settings, run.outcome.stages[0].students)
    networks = [load_model(voter.model) for voter in voters]
    pictures = Rows(images)[np.array(rows)]
    members = predict_probabilities(networks, pictures, task=task, precision=chosen.settings.precision)
    kind = labels_of(task)
    soft: Pixels = kind.decode(members.mean(0))
    return soft if kind.always_unanimous else combine(members, task=task).label


def _spread(run: ComparedRun) -> tuple[int, ...]:
    """Give a few images over all sizes of masks in the first generation."""
    known = read_pseudo_labels(run.outcome.root / stage_name(1) / PSEUDO / INDEX)
    return choose_images(known.inconsistent_fraction, num=_SHEET_IMAGES)


def _source(comparison: Comparison, run: ComparedRun) -> PseudoSource:
    dataset, variant = run.cell.chosen.dataset, run.cell.variant
    stack = Stack(stack_folder(comparison.root, "unlabelled"), ())
    tried = {each.cell.variant.setting for each in comparison.runs if each.cell.variant.recipe == variant.recipe}
    return PseudoSource(
        title=variant.recipe,
        setting=f"{variant.setting}, the best of {len(tried)} settings by validation" if len(tried) > 1 else "",
        images=stack.images,
        labels=stack.labels if stack.labels.exists() else None,
        generations=tuple(
            run.outcome.root / stage_name(generation) / PSEUDO for generation in range(1, len(run.outcome.stages))
        ),
        scoring=run.cell.chosen.scoring,
        class_colours=tuple(each.colour for each in dataset.classes),
        blocked=run.cell.chosen.recipe.blocking is not None,
        depth=dataset.volumes.depth if dataset.volumes else None,
    )


def _ratings(runs: Sequence[ComparedRun]) -> list[Drawing | None]:
    pictures = []
    for run in runs:
        variant, judges = run.cell.variant, run.outcome.trained.judges
        # The other repeats look alike; their numbers stand in the table.
        if judges is None or variant.repeat > 1:
            continue
        ratings = read_rows(intact(run.outcome.root / EVALNETS / RATINGS), dict[str, str])
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
