"""Figures of masks and ratings against the truth (paper sections 3.8 and 3.11)."""

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from incmask.insight.report.comparison_page.plots_frequencies import Floats, first_to_last
from incmask.insight.report.comparison_page.plots_scores import Curve, draw_generations
from incmask.insight.report.comparison_page.rows import EQUAL, OWN, PseudoRow
from incmask.insight.report.comparison_page.style import Style, approach_label, cycle_style, styles_of
from incmask.insight.report.comparison_page.tables import Approach, by_approach
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.statistics import correlation, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_VECTOR_POINTS = 2000
"""With more points an SVG holds them as pixels: it would take megabytes."""


def mask_size_by_generation(rows: Sequence[PseudoRow], *, budget: str = OWN) -> Drawing | None:
    """Draw the mean share of masked pixels in pseudo-labels over generations (paper section 3.11).

    All pseudo-labels count, admitted or not: the mean over images, then over repeats.

    Args:
        rows: one curve for each of their recipes and settings that masks anything.
        budget: ``OWN`` or ``EQUAL``: of the rows that are drawn.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    groups = {
        approach: found
        for approach, found in by_approach(rows).items()
        if approach.budget == budget and any(row.inconsistent_fraction > 0 for row in found)
    }
    if not groups:
        return None
    curves = []
    for (approach, found), style in zip(groups.items(), styles_of([one.recipe for one in groups]), strict=True):
        shares: dict[int, dict[int, list[float]]] = {}
        for row in sorted(found, key=lambda row: row.generation):
            of_repeats = shares.setdefault(row.generation, {})
            of_repeats.setdefault(row.repeat, []).append(100 * row.inconsistent_fraction)
        summaries = {
            generation: summarise([summarise(images).mean for images in of_repeats.values()])
            for generation, of_repeats in shares.items()
        }
        curves.append(Curve(approach_label(approach), style, summaries))
    changes = "; ".join(f"{curve.label} {first_to_last(np.array(curve.means))} %" for curve in curves)
    return to_picture(
        partial(draw_generations, curves, [], y_label="masked pixels, %", with_error=True),
        name=f"mask-size-by-generation-{budget}",
        title=f"Size of the inconsistency masks by generation{' at equal steps' * (budget == EQUAL)}",
        alt=f"Mean share of masked pixels in the pseudo-labels of each generation; first to last: {changes}.",
    )


def mask_size_against_error(
    rows: Sequence[PseudoRow], *, recipe: str, setting: str = "", budget: str = OWN
) -> Drawing | None:
    """Draw the masked share of each pseudo-label against its error and its IoU (paper section 3.11).

    Args:
        rows: of any approaches.
        recipe, setting, budget: of the approach that is drawn, all generations and repeats; without any masked pixels
            there is no figure.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    approach = Approach(recipe, setting, budget)
    found = by_approach(rows).get(approach, [])
    sizes = [row.inconsistent_fraction for row in found]
    if not any(size > 0 for size in sizes):
        return None
    of_error = correlation(sizes, [row.error_fraction for row in found])
    of_iou = correlation(sizes, [row.iou for row in found])
    with_error, with_iou = (_coefficients(each.pearson, each.spearman) for each in (of_error, of_iou))
    name = approach_label(approach)
    return to_picture(
        partial(_draw_mask_sizes, found, with_error=with_error, with_iou=with_iou),
        name=f"mask-size-against-error-{recipe}-{setting}-{budget}",
        title=f"Size of the inconsistency mask and quality of the pseudo-label, {name}",
        alt=f"Masked share of {len(found)} pseudo-labels of {name} against their share of wrong visible pixels "
        f"({with_error}) and against their IoU ({with_iou}).",
    )


def _coefficients(pearson: float, spearman: float) -> str:
    parts = {"Pearson": pearson, "Spearman": spearman}
    return ", ".join(f"{name} {value:.2f}" if math.isfinite(value) else f"{name} –" for name, value in parts.items())


def _draw_mask_sizes(rows: Sequence[PseudoRow], *, with_error: str, with_iou: str) -> "Figure":
    figure = new_figure(width_in=9.5, height_in=4)
    left, right = figure.subplots(1, 2)
    for index, generation in enumerate(sorted({row.generation for row in rows})):
        of_it = [row for row in rows if row.generation == generation]
        sizes = [100 * row.inconsistent_fraction for row in of_it]
        look = partial(_scatter, style=cycle_style(index), num_points=len(rows), label=f"G{generation}")
        look(left, sizes, [100 * row.error_fraction for row in of_it])
        look(right, sizes, [row.iou for row in of_it])
    left.set(xlabel="masked pixels, %", ylabel="wrong among visible pixels, %")
    right.set(xlabel="masked pixels, %", ylabel="IoU of the pseudo-label")
    for axes, title in ((left, with_error), (right, with_iou)):
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure


def _scatter(
    axes: "Axes", xs: ArrayLike, ys: ArrayLike, *, style: Style, num_points: int, label: str | None = None
) -> None:
    axes.scatter(
        xs,
        ys,
        s=12,
        color=style.colour,
        marker=style.marker,
        alpha=0.5,
        linewidth=0,
        label=label,
        rasterized=num_points > _MAX_VECTOR_POINTS,
    )


def quality_scatter(
    predicted: Sequence[float], true: Sequence[float], *, mae: float, pearson: float, spearman: float, title: str
) -> Drawing | None:
    """Draw the IoU that an EvalNet predicts against the true one, with the diagonal (paper section 2.4.5).

    Args:
        predicted, true: (N,) 0 to 1, of validation masks; pairs with a NaN are left out.
        mae, pearson, spearman: how well they agree; NaN where that is unknown.
        title: heading of the figure, which gives it its name, too.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    pairs = [(x, y) for x, y in zip(true, predicted, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not pairs:
        return None
    agreement = f"mean absolute error {mae:.3f}, {_coefficients(pearson, spearman)}"
    return to_picture(
        partial(_draw_quality, np.array(pairs), agreement),
        name=f"quality-{title}",
        title=title,
        alt=f"{title}: predicted against true IoU of {len(pairs)} validation masks, with the diagonal; {agreement}.",
    )


def _draw_quality(pairs: Floats, agreement: str) -> "Figure":
    figure = new_figure(width_in=4.6, height_in=4.8)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#767676", linestyle="--", linewidth=1)
    _scatter(axes, pairs[:, 0], pairs[:, 1], style=cycle_style(0), num_points=len(pairs))
    axes.set(xlabel="true IoU", ylabel="predicted IoU", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_title(agreement, fontsize=8)
    axes.grid(alpha=0.3)
    return figure
