"""Figures of a comparison (paper section 3 and appendix A.5); ``None`` where nothing is to draw.

Scores are those of the student that validation chose, on the test images where there are any. Of a recipe tried with
several settings, the best one by validation counts. Importing this needs no matplotlib, calling it does.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from incmask.insight.report.comparison_page.plots_frequencies import class_frequencies
from incmask.insight.report.comparison_page.plots_pseudo import (
    mask_size_against_error,
    mask_size_by_generation,
    quality_scatter,
)
from incmask.insight.report.comparison_page.plots_scores import (
    CostPoint,
    Curve,
    Span,
    draw_bars,
    draw_costs,
    draw_generations,
)
from incmask.insight.report.comparison_page.rows import EQUAL, OWN, AnyVariant, ModelRow, RunRow
from incmask.insight.report.comparison_page.style import Style, cycle_style, display_name, styles_of
from incmask.insight.report.comparison_page.tables import (
    LOWER_IS_BETTER,
    Approach,
    Reported,
    best_settings,
    reported,
    series,
)
from incmask.insight.report.picture import Drawing, to_picture
from incmask.insight.report.statistics import Summary, summarise

__all__ = [
    "Drawing",
    "class_frequencies",
    "mask_size_against_error",
    "mask_size_by_generation",
    "never_above_ldt",
    "predicted_against_true",
    "quality_scatter",
    "score_by_cost",
    "score_by_generation",
    "sweep",
]

BENCHMARKS = ("fdt", "strong-ldt", "aldt", "ldt")
"""Recipes without pseudo-labels: lines to compare with."""

_SAME_STEPS = ("fdt", "strong-ldt")
"""These take as many steps under either budget, so that tables may hold them once."""
_METRIC_NAMES = {"iou": "IoU", "miou": "mIoU", "miou_ad": "mIoU_ad", "dice": "Dice", "mpa": "mPA"}
_IN_STEPS = {OWN: "", EQUAL: " at equal steps"}


def score_by_generation(
    rows: Sequence[ModelRow],
    *,
    budget: str = OWN,
    metric: str = "score",
    above_ldt: bool = False,
    with_error: bool = False,
) -> Drawing | None:
    """Draw every approach with pseudo-labels over generations, and the benchmarks as lines (figures 5, A.4 to A.7).

    The MCCE, whose values lie far apart, is drawn again between LDT and FDT and between ALDT and FDT (figure A.5).

    Args:
        rows: of any recipes, settings and budgets.
        budget: ``OWN`` or ``EQUAL``.
        metric: "score" or a name in ``ModelRow.details``, such as "miou_ad", "mcce", "dice" or "mpa".
        above_ldt: leave out approaches that are better than LDT in no generation (figures 5, A.4 and A.7).
        with_error: add the standard error over repeats: bars, and bands for the benchmarks (figure A.7).

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    rows = _scored(rows, budget=budget, metric=metric)
    curves, lines = _curves_and_lines(rows, metric)
    below = _below_ldt(curves, lines, metric) if above_ldt else []
    curves = [curve for curve in curves if curve not in below]
    if not curves:
        return None
    y_label, error = _metric_name(rows, metric), " with standard errors" if with_error else ""
    draw = partial(
        draw_generations,
        curves,
        lines,
        y_label=y_label,
        with_error=with_error,
        zooms=_zooms(curves, lines) if metric == "mcce" else (),
    )
    above = ", approaches above LDT" if above_ldt else ""
    left_out = f" (left out: {_listed(below)})" if below else ""
    return to_picture(
        draw,
        name=f"{metric}-by-generation-{budget}{'-above-ldt' if above_ldt else ''}{'-error' if with_error else ''}",
        title=f"{y_label} by generation{_IN_STEPS[budget]}{error}{above}{left_out}",
        alt=f"{_mean_of(rows, curves, y_label)}{error}, for each generation of {_listed(curves)}"
        f"{', with lines for ' + _listed(lines) if lines else ''}{_IN_STEPS[budget]}; best: {_best(curves, metric)}.",
    )


def never_above_ldt(rows: Sequence[ModelRow], *, budget: str = OWN, metric: str = "score") -> list[str]:
    """Name the approaches that ``score_by_generation`` leaves out with ``above_ldt``."""
    curves, lines = _curves_and_lines(_scored(rows, budget=budget, metric=metric), metric)
    return [curve.label for curve in _below_ldt(curves, lines, metric)]


def sweep(rows: Sequence[ModelRow], *, recipe: str, budget: str = OWN, metric: str = "score") -> Drawing | None:
    """Draw the settings of one recipe over generations, the best one by validation bold (figures 6, A.8 to A.11).

    Args:
        rows: of any recipes, settings and budgets.
        recipe: whose settings; with fewer than two there is no figure.
        budget: ``OWN`` or ``EQUAL``.
        metric: as for ``score_by_generation``.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    rows = [row for row in _scored(rows, budget=budget, metric=metric) if row.recipe == recipe and row.generation > 0]
    found = series(rows, metric=metric)
    if len(found) < 2:
        return None
    best = best_settings(rows, metric=metric)
    curves = [
        Curve(
            one.setting or "default",
            cycle_style(index),
            summaries,
            weight="bold" if one.setting == best[recipe] else "faded",
        )
        for index, (one, summaries) in enumerate(found.items())
    ]
    name, y_label = display_name(recipe), _metric_name(rows, metric)
    return to_picture(
        partial(draw_generations, curves, [], y_label=y_label),
        name=f"sweep-{recipe}-{metric}-{budget}",
        title=f"{y_label} of {name} by setting{_IN_STEPS[budget]}",
        alt=f"{_mean_of(rows, curves, y_label)}, for each generation and each of {len(curves)} settings of {name}"
        f"{_IN_STEPS[budget]}; bold, the best by validation: {best[recipe] or 'default'}.",
    )


def score_by_cost(rows: Sequence[ModelRow], runs: Sequence[RunRow], *, budget: str = OWN) -> Drawing | None:
    """Draw the score of each approach's best generation against a student's training FLOPs (figure 8, equation 1).

    Args:
        rows: of any recipes, settings and budgets.
        runs: of the same; they tell each repeat's best generation and the cost of its students, EvalNets left out.
        budget: ``OWN`` or ``EQUAL``.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    rows = _scored(rows, budget=budget, metric="score")
    best = best_settings(rows)
    costly = [run for run in _in_budget(runs, budget) if 0 < run.student_flops < math.inf]
    found = {
        approach.recipe: values
        for approach, values in reported(rows, costly).items()
        if approach.setting == best.get(approach.recipe)
    }
    if not found:
        return None
    points = [
        _cost_point(recipe, values, style)
        for (recipe, values), style in zip(found.items(), styles_of(list(found)), strict=True)
    ]
    y_label = _metric_name(rows, "score")
    top = max(points, key=lambda point: point.score.mean)
    return to_picture(
        partial(draw_costs, points, y_label=y_label),
        name=f"score-by-cost-{budget}",
        title=f"{y_label} of the best generation by training cost{_IN_STEPS[budget]}",
        alt=f"Mean {y_label} on {_split_name(rows)} images of the best generation by validation, against the FLOPs of "
        f"training one student, for {len(points)} approaches{_IN_STEPS[budget]}; highest: {top.label} with "
        f"{top.score.mean:.3f} for {top.flops:.1e} FLOPs.",
    )


def predicted_against_true(rows: Sequence[ModelRow], *, budget: str = OWN) -> Drawing | None:
    """Draw IM++, weighted by predicted quality, beside GT-IM++, weighted by the true one (figure 10, section 3.8).

    Args:
        rows: of any recipes, settings and budgets; unless both are there, there is no figure.
        budget: ``OWN`` or ``EQUAL``.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    rows = _scored(rows, budget=budget, metric="score")
    found = _of_best_settings(rows, "score")
    curves = _curves({one: values for one, values in found.items() if one.recipe in ("im++", "gt-im++")})
    if len(curves) < 2:
        return None
    y_label = _metric_name(rows, "score")
    values = "; ".join(f"{curve.label} {', '.join(f'{mean:.3f}' for mean in curve.means)}" for curve in curves)
    return to_picture(
        partial(draw_bars, curves, y_label=y_label),
        name=f"predicted-against-true-{budget}",
        title=f"{y_label} with predicted and with true quality{_IN_STEPS[budget]}",
        alt=f"{_mean_of(rows, curves, y_label)}, for each generation, pseudo-labels weighted by predicted and by true "
        f"quality{_IN_STEPS[budget]}: {values}.",
    )


def _in_budget(rows: Iterable[AnyVariant], budget: str) -> list[AnyVariant]:
    rows = list(rows)
    there = {row.recipe for row in rows if row.budget == budget}
    return [row for row in rows if row.budget == budget or (row.recipe in _SAME_STEPS and row.recipe not in there)]


def _scored(rows: Iterable[ModelRow], *, budget: str, metric: str) -> list[ModelRow]:
    """Keep a budget's rows that have the metric."""
    return [
        row
        for row in _in_budget(rows, budget)
        if math.isfinite(row.score if metric == "score" else row.details.get(metric, math.nan))
    ]


def _of_best_settings(rows: Sequence[ModelRow], metric: str) -> dict[Approach, dict[int, Summary]]:
    best = best_settings(rows, metric=metric)
    return {one: values for one, values in series(rows, metric=metric).items() if one.setting == best.get(one.recipe)}


def _curves_and_lines(rows: Sequence[ModelRow], metric: str) -> tuple[list[Curve], list[Curve]]:
    """Give the approaches with pseudo-labels over generations, and the benchmarks, which have one value."""
    found = _of_best_settings(rows, metric)
    curves = _curves({one: values for one, values in found.items() if one.recipe not in BENCHMARKS})
    bases = sorted((one for one in found if one.recipe in BENCHMARKS), key=lambda one: BENCHMARKS.index(one.recipe))
    lines = [
        Curve(display_name(one.recipe), style, dict([*found[one].items()][:1]))
        for one, style in zip(bases, styles_of([one.recipe for one in bases]), strict=True)
    ]
    return curves, lines


def _below_ldt(curves: Sequence[Curve], lines: Sequence[Curve], metric: str) -> list[Curve]:
    """Give the curves that are better than LDT nowhere; none where LDT was not scored."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    levels = [sign * line.means[0] for line in lines if line.label == display_name("ldt")]
    return [curve for curve in curves for level in levels if all(sign * mean <= level for mean in curve.means)]


def _curves(found: Mapping[Approach, Mapping[int, Summary]]) -> list[Curve]:
    """Take what comes after the base models, in each approach's own look."""
    curves = [
        Curve(display_name(one.recipe), style, {number: value for number, value in values.items() if number > 0})
        for (one, values), style in zip(found.items(), styles_of([one.recipe for one in found]), strict=True)
    ]
    return [curve for curve in curves if curve.summaries]


def _zooms(curves: Sequence[Curve], lines: Sequence[Curve]) -> list[Span]:
    """Choose the stretches from LDT and from ALDT to FDT where they are a small part of all."""
    bases = {line.label: line.means[0] for line in lines}
    means = [mean for curve in (*curves, *lines) for mean in curve.means]
    spans = [Span(bases[name], bases["FDT"]) for name in ("LDT", "ALDT") if {name, "FDT"} <= bases.keys()]
    return [span for span in spans if 0 < abs(span.last - span.first) < (max(means) - min(means)) / 2]


def _cost_point(recipe: str, values: Sequence[Reported], style: Style) -> CostPoint:
    generations = sorted({value.run.best_generation for value in values} - {0})
    suffix = " G" + "/".join(map(str, generations)) if generations else ""
    flops = summarise([value.run.student_flops for value in values]).mean
    return CostPoint(display_name(recipe) + suffix, style, flops, summarise([value.student.score for value in values]))


def _metric_name(rows: Iterable[ModelRow], metric: str) -> str:
    if metric == "score":
        held = {name for row in rows for name in row.details}
        metric = next((name for name in ("iou", "miou_ad") if name in held), "miou")
    return _METRIC_NAMES.get(metric, metric.upper()) + (" (lower is better)" if metric in LOWER_IS_BETTER else "")


def _split_name(rows: Iterable[ModelRow]) -> str:
    return "test" if any(row.split == "test" for row in rows) else "validation"


def _mean_of(rows: Iterable[ModelRow], curves: Iterable[Curve], y_label: str) -> str:
    count = max(summary.num for curve in curves for summary in curve.summaries.values())
    over = f" over {count} repeats" if count > 1 else ""
    return f"{'Mean ' if over else ''}{y_label} on {_split_name(rows)} images{over}"


def _listed(curves: Iterable[Curve]) -> str:
    return ", ".join(curve.label for curve in curves)


def _best(curves: Iterable[Curve], metric: str) -> str:
    choose = min if metric in LOWER_IS_BETTER else max
    points = [(value.mean, curve.label, number) for curve in curves for number, value in curve.summaries.items()]
    mean, label, generation = choose(points)
    return f"{label} with {mean:.3f} in generation {generation}"
