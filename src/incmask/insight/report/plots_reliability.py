"""Drawings of errors against disagreement, by pixel and by image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from incmask.insight.report.comparison_page.style import Style, cycle_style
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.statistics import Correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_CLASSES = 6
"""More curves than these cannot be told apart; those of the most pixels are drawn."""

_MAIN = Style("#000000", "o", "-")


@dataclass(frozen=True)
class ErrorCurve:
    """How often pixels are wrong, over their disagreement; one value each.

    Attributes:
        label: which pixels.
        disagreement: ascending, 0 to 1.
        error_rate: 0 to 1.
        low, high: ends of its interval; nan where there is none.
        num_pixels: of the curve.
        is_main: of all pixels, drawn bold.
    """

    label: str
    disagreement: tuple[float, ...]
    error_rate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    num_pixels: int
    is_main: bool = False


@dataclass(frozen=True)
class SplitPanel:
    """What is known of the images of a split.

    Attributes:
        title: its name for people.
        curves: of its pixels.
        disputed_of_foreground, scores: of its images.
        correlation: of the two.
    """

    title: str
    curves: tuple[ErrorCurve, ...]
    disputed_of_foreground: tuple[float, ...]
    scores: tuple[float, ...]
    correlation: Correlation


def reliability_picture(panels: Sequence[SplitPanel], *, score_name: str) -> Drawing:
    """Draw a line of two panels for each split, one or more: by pixel and by image.

    Args:
        panels: of the splits.
        score_name: "IoU" or "mIoU".

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    told = [f"on {panel.title} images {_in_words(panel, score_name)}" for panel in panels]
    return to_picture(
        partial(_draw, panels, score_name=score_name),
        name="error-vs-disagreement",
        title="How far disagreement tells errors",
        alt=f"Share of wrong pixels by disagreement, and {score_name} of images by the disputed share of their "
        f"foreground: {'; '.join(told)}.",
    )


def _draw(panels: Sequence[SplitPanel], *, score_name: str) -> "Figure":
    figure = new_figure(width_in=9, height_in=3.6 * len(panels))
    grid = figure.subplots(len(panels), 2, squeeze=False)
    for (left, right), panel in zip(grid, panels, strict=True):
        _draw_curves(left, panel)
        _draw_images(right, panel, score_name=score_name)
    return figure


def _draw_curves(axes: "Axes", panel: SplitPanel) -> None:
    main = [curve for curve in panel.curves if curve.is_main]
    others = [curve for curve in panel.curves if not curve.is_main]
    largest = sorted(others, key=lambda curve: -curve.num_pixels)[:_MOST_CLASSES]
    drawn = [*main, *(curve for curve in others if curve in largest)]
    levels = sorted({level for curve in drawn for level in curve.disagreement})
    step = min((b - a for a, b in pairwise(levels)), default=0.1)
    for index, curve in enumerate(drawn):
        style = _MAIN if curve.is_main else cycle_style(index)
        # Side by side, else bars hide each other.
        shift = 0.04 * step * (index - (len(drawn) - 1) / 2)
        below, above = (
            [abs(rate - end) if math.isfinite(end) else 0.0 for rate, end in zip(curve.error_rate, ends, strict=True)]
            for ends in (curve.low, curve.high)
        )
        axes.errorbar(
            [level + shift for level in curve.disagreement],
            curve.error_rate,
            yerr=[below, above],
            label=curve.label,
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            linewidth=2.5 if curve.is_main else 1.2,
            zorder=3 if curve.is_main else 2,
            capsize=2,
        )
    axes.set_xticks(levels[:: max(1, len(levels) // 8)])
    axes.xaxis.set_major_formatter(lambda level, _: f"{level:.2g}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("disagreement (share of the models off the majority)")
    axes.set_ylabel("share of wrong pixels")
    axes.set_title(f"{panel.title}: pixels")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)


def _draw_images(axes: "Axes", panel: SplitPanel, *, score_name: str) -> None:
    style = cycle_style(0)
    axes.scatter(panel.disputed_of_foreground, panel.scores, s=14, color=style.colour, alpha=0.6, linewidths=0)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("disputed share of the foreground")
    axes.set_ylabel(f"true {score_name}")
    found = panel.correlation
    known = f", r = {found.pearson:.2f}, rank r = {found.spearman:.2f}" if math.isfinite(found.pearson) else ""
    axes.set_title(f"{panel.title}: {len(panel.scores)} images{known}")
    axes.grid(alpha=0.3)


def _in_words(panel: SplitPanel, score_name: str) -> str:
    main = next((curve for curve in panel.curves if curve.is_main), panel.curves[0])
    rates = ", ".join(
        f"{rate:.1%} at {level:.2g}" for level, rate in zip(main.disagreement, main.error_rate, strict=True)
    )
    found = panel.correlation
    known = f"; correlation with the {score_name} {found.pearson:.2f}" if math.isfinite(found.pearson) else ""
    return f"{rates}{known}"
