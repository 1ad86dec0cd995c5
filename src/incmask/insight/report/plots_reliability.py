"""Drawings of errors against disagreement, by pixel and by image."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from incmask.base.words import counted
from incmask.insight.reliability.counting import ALL
from incmask.insight.reliability.rows import ErrorRow, ImageReliability
from incmask.insight.report.comparison_page.style import Style, cycle_style
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.statistics import Correlation, correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SPLITS = {"val": "validation", "test": "test"}
_MOST_CLASSES = 6
"""More curves than these cannot be told apart; those of the most pixels are drawn."""

_MAIN = Style("#000000", "o", "-")


@dataclass(frozen=True)
class _Panel:
    """What is known of the images of a split: a curve of its pixels a class, and its images."""

    title: str
    curves: dict[str, list[ErrorRow]]
    shares: list[float]
    scores: list[float]
    correlation: Correlation


def reliability_picture(
    errors: Sequence[ErrorRow], images: Sequence[ImageReliability], *, score_name: str
) -> Drawing | None:
    """Draw two panels side by side for each split: errors by pixel, and scores by image.

    Rates without an interval are left out: of so few subjects they are chance.

    Args:
        errors: of any splits; without any that have one there is nothing to draw.
        images: of the same splits.
        score_name: such as "IoU" or "mIoU".

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    panels = _panels(errors, images)
    if not panels:
        return None
    told = [f"on {panel.title} images {_in_words(panel, score_name)}" for panel in panels]
    return to_picture(
        partial(_draw, panels, score_name=score_name),
        name="error-vs-disagreement",
        title="How far disagreement tells errors",
        alt=f"Share of wrong pixels by disagreement, and {score_name} of images by the disputed share of their "
        f"foreground: {'; '.join(told)}.",
    )


def reliability_pictures(
    errors: Sequence[ErrorRow], images: Sequence[ImageReliability], *, score_name: str
) -> list[Drawing]:
    """Draw the same panels one by one, for a page that is as narrow as it happens to be; arguments as there."""
    pictures = []
    for panel in _panels(errors, images):
        rates, known = _rates(panel), _correlation(panel, score_name)
        draw_curves = partial(_alone, partial(_draw_curves, panel=panel))
        pictures.append(
            to_picture(
                draw_curves,
                name=f"errors-{panel.title}",
                title=f"Wrong pixels by disagreement, {panel.title}",
                alt=f"Share of wrong pixels by disagreement on {panel.title} images: {rates}.",
            )
        )
        if panel.scores:
            draw_images = partial(_alone, partial(_draw_images, panel=panel, score_name=score_name))
            pictures.append(
                to_picture(
                    draw_images,
                    name=f"scores-{panel.title}",
                    title=f"Images by their disputed share, {panel.title}",
                    alt=f"{score_name} of {len(panel.scores)} {panel.title} images by the disputed share of their "
                    f"foreground{known}.",
                )
            )
    return pictures


def _panels(errors: Sequence[ErrorRow], images: Sequence[ImageReliability]) -> list[_Panel]:
    panels = []
    for split, title in _SPLITS.items():
        curves: dict[str, list[ErrorRow]] = {}
        for row in errors:
            if row.split == split and math.isfinite(row.low):
                curves.setdefault(row.name, []).append(row)
        shares = [row.disputed_of_foreground for row in images if row.split == split]
        scores = [row.score for row in images if row.split == split]
        if curves:
            panels.append(_Panel(title, curves, shares, scores, correlation(shares, scores)))
    return panels


def _alone(draw: Callable[["Axes"], None]) -> "Figure":
    figure = new_figure(width_in=4.6, height_in=3.6)
    draw(figure.subplots())
    return figure


def _draw(panels: Sequence[_Panel], *, score_name: str) -> "Figure":
    figure = new_figure(width_in=9, height_in=3.6 * len(panels))
    grid = figure.subplots(len(panels), 2, squeeze=False)
    for (left, right), panel in zip(grid, panels, strict=True):
        _draw_curves(left, panel)
        _draw_images(right, panel, score_name=score_name)
    return figure


def _draw_curves(axes: "Axes", panel: _Panel) -> None:
    classes = [name for name in panel.curves if name != ALL]
    largest = sorted(classes, key=lambda name: -sum(row.num_pixels for row in panel.curves[name]))[:_MOST_CLASSES]
    drawn = [*([ALL] if ALL in panel.curves else []), *(name for name in classes if name in largest)]
    levels = sorted({row.disagreement for name in drawn for row in panel.curves[name]})
    step = min((b - a for a, b in pairwise(levels)), default=0.1)
    for index, name in enumerate(drawn):
        curve, is_all = panel.curves[name], name == ALL
        # Side by side, else bars hide each other.
        shift = 0.04 * step * (index - (len(drawn) - 1) / 2)
        below = [abs(row.error_rate - row.low) for row in curve]
        above = [abs(row.error_rate - row.high) for row in curve]
        axes.errorbar(
            [row.disagreement + shift for row in curve],
            [row.error_rate for row in curve],
            yerr=[below, above],
            label="all pixels" if is_all else f"predicted {name}",
            **(_MAIN if is_all else cycle_style(index)).look,
            linewidth=2.5 if is_all else 1.2,
            zorder=3 if is_all else 2,
            capsize=2,
        )
    axes.set_xticks(levels[:: max(1, len(levels) // 8)])
    axes.xaxis.set_major_formatter(lambda level, _: f"{level:.2g}")
    axes.set_ylim(bottom=0)
    axes.set(xlabel="disagreement (share of the models off the majority)", ylabel="share of wrong pixels")
    axes.set_title(f"{panel.title}: pixels")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)


def _draw_images(axes: "Axes", panel: _Panel, *, score_name: str) -> None:
    axes.scatter(panel.shares, panel.scores, s=14, color=cycle_style(0).colour, alpha=0.6, linewidths=0)
    axes.set(xlabel="disputed share of the foreground", ylabel=f"true {score_name}")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    found = panel.correlation
    known = f", r = {found.pearson:.2f}, rank r = {found.spearman:.2f}" if math.isfinite(found.pearson) else ""
    axes.set_title(f"{panel.title}: {counted(len(panel.scores), 'image')}{known}")
    axes.grid(alpha=0.3)


def _in_words(panel: _Panel, score_name: str) -> str:
    return _rates(panel) + _correlation(panel, score_name)


def _rates(panel: _Panel) -> str:
    curve = panel.curves.get(ALL) or next(iter(panel.curves.values()))
    return ", ".join(f"{row.error_rate:.1%} at {row.disagreement:.2g}" for row in curve)


def _correlation(panel: _Panel, score_name: str) -> str:
    pearson = panel.correlation.pearson
    return f"; correlation with the {score_name} {pearson:.2f}" if math.isfinite(pearson) else ""
