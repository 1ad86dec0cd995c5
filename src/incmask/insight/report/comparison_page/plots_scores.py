"""Drawings of scores: over generations, as bars and against costs; which scores, ``figures`` decides."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from incmask.insight.report.comparison_page.style import Style
from incmask.insight.report.picture import new_figure
from incmask.insight.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Weight = Literal["normal", "bold", "faded"]
_WIDTHS_PT: dict[Weight, float] = {"normal": 1.5, "bold": 3.0, "faded": 1.0}
_LEGEND_LINES = 18


@dataclass(frozen=True)
class Curve:
    """Scores over generations, and how they look.

    Attributes:
        label: in the legend.
        style: of the line.
        summaries: by generation, ascending.
        weight: against the others.
    """

    label: str
    style: Style
    summaries: Mapping[int, Summary]
    weight: Weight = "normal"

    @property
    def means(self) -> list[float]:
        """Over repeats, one a generation."""
        return [summary.mean for summary in self.summaries.values()]


@dataclass(frozen=True)
class CostPoint:
    """An approach's score at its cost.

    Attributes:
        label: beside the point.
        style: of the point.
        flops: above 0.
        score: over repeats.
    """

    label: str
    style: Style
    flops: float
    score: Summary


@dataclass(frozen=True)
class Span:
    """A stretch of the y axis, its ends in any order."""

    first: float
    last: float


def draw_generations(
    curves: Sequence[Curve],
    lines: Sequence[Curve],
    *,
    y_label: str,
    with_error: bool = False,
    zooms: Sequence[Span] = (),
) -> "Figure":
    """Draw ``curves`` over generations and ``lines``, which have one value, across; once more for each zoom."""
    num_panels = 1 + len(zooms)
    num_columns = math.ceil((len(curves) + len(lines)) / _LEGEND_LINES)
    figure = new_figure(width_in=4.5 * num_panels + 1.7 * num_columns, height_in=4.5)
    panels = figure.subplots(1, num_panels, squeeze=False)[0]
    for axes in panels:
        _draw_panel(axes, curves, lines, with_error=with_error)
    panels[0].set_ylabel(y_label)
    for axes, zoom in zip(panels[1:], zooms, strict=True):
        low, high = sorted((zoom.first, zoom.last))
        axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", ncols=num_columns, frameon=False)
    return figure


def _draw_panel(axes: "Axes", curves: Sequence[Curve], lines: Sequence[Curve], *, with_error: bool) -> None:
    for line in lines:
        (summary,) = line.summaries.values()
        value, error = summary.mean, summary.standard_error
        axes.axhline(value, label=line.label, color=line.style.colour, linestyle=line.style.line, zorder=1)
        if with_error and math.isfinite(error):
            axes.axhspan(value - error, value + error, color=line.style.colour, alpha=0.12, linewidth=0)
    for index, curve in enumerate(curves):
        shift = 0.04 * (index - (len(curves) - 1) / 2) if with_error else 0  # else bars hide each other
        axes.errorbar(
            [generation + shift for generation in curve.summaries],
            curve.means,
            yerr=[summary.standard_error for summary in curve.summaries.values()] if with_error else None,
            label=curve.label,
            **curve.style.look,
            linewidth=_WIDTHS_PT[curve.weight],
            alpha=0.45 if curve.weight == "faded" else 1,
            zorder=3 if curve.weight == "bold" else 2,
            capsize=2,
        )
    label_generations(axes, [generation for curve in curves for generation in curve.summaries])


def label_generations(axes: "Axes", generations: Sequence[int]) -> None:
    """Put a tick at every generation, and nothing between them."""
    axes.set_xticks(sorted(set(generations)))
    axes.set_xlabel("generation")
    axes.margins(x=0.08)
    axes.grid(axis="y", alpha=0.3)


def draw_bars(curves: Sequence[Curve], *, y_label: str) -> "Figure":
    """Draw bars side by side for each generation, with their values."""
    figure = new_figure(width_in=6.5, height_in=3.8)
    axes = figure.subplots()
    width = 0.8 / len(curves)
    for index, curve in enumerate(curves):
        shift = width * (index - (len(curves) - 1) / 2)
        bars = axes.bar(
            [generation + shift for generation in curve.summaries],
            curve.means,
            width=width,
            label=curve.label,
            color=curve.style.colour,
            hatch="//" * index,
            edgecolor="white",
        )
        axes.bar_label(bars, labels=[f"{mean:.3f}" for mean in curve.means], padding=2, fontsize=7)
    label_generations(axes, [generation for curve in curves for generation in curve.summaries])
    axes.set_axisbelow(True)
    axes.set_ylabel(y_label)
    axes.margins(y=0.12)
    figure.legend(loc="outside upper center", ncols=len(curves), frameon=False)
    return figure


def draw_costs(points: Sequence[CostPoint], *, y_label: str) -> "Figure":
    """Draw labelled points with their standard errors over a logarithmic axis of FLOPs."""
    figure = new_figure(width_in=7, height_in=4.8)
    axes = figure.subplots()
    axes.set_xscale("log")
    for point in points:
        axes.errorbar(
            point.flops,
            point.score.mean,
            yerr=point.score.standard_error,
            color=point.style.colour,
            marker=point.style.marker or "o",
            capsize=2,
        )
    flops = [point.flops for point in points]
    axes.set_xlim(min(flops) / 1.7, max(flops) * 1.7)  # at least one of 1, 2 or 5 times a power of ten lies within
    axes.xaxis.set_major_formatter(_power_of_ten)
    axes.xaxis.set_minor_formatter(_power_of_ten if max(flops) < 30 * min(flops) else "")
    axes.set_xlabel("FLOPs of training a student")
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    axes.margins(y=0.12)
    figure.draw_without_rendering()  # settles where things are
    _label_points(axes, points, half_marker=4 * figure.dpi / 72)
    return figure


def _power_of_ten(value: float, _: object) -> str:
    """Write 2e12 as 2×10¹²; nothing for numbers that begin with other digits than 1, 2 and 5."""
    exponent = math.floor(math.log10(value) + 1e-9)
    digit = round(value / 10**exponent)
    if digit not in (1, 2, 5):
        return ""
    return f"{digit}×10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


_DISTANCES_PT = (9, 18, 27, 36, 48, 60)
_TURNS = (0, 1 / 2, 1 / 8, 3 / 8, 7 / 8, 5 / 8, 1 / 4, 3 / 4)
_PLACES = [(distance, math.tau * turn) for distance in _DISTANCES_PT for turn in _TURNS]


def _label_points(axes: "Axes", points: Sequence[CostPoint], *, half_marker: float) -> None:
    """Write each label at the nearest place where it covers no marker and no other label, if there is one."""
    from matplotlib.transforms import Bbox

    where = [(point.flops, point.score.mean) for point in points]
    taken: list[Any] = [
        Bbox([centre - half_marker, centre + half_marker]) for centre in axes.transData.transform(where)
    ]
    for point, xy in zip(points, where, strict=True):
        text = axes.annotate(point.label, xy, xytext=(0, 0), textcoords="offset points", va="center", fontsize=8)
        for distance, angle in _PLACES:
            dx, dy = distance * math.cos(angle), distance * math.sin(angle)
            text.set_position((dx, dy))
            text.set_horizontalalignment("center" if abs(dx) < 1 else "left" if dx > 0 else "right")
            box = text.get_window_extent()
            is_inside = Bbox.union([box, axes.bbox]).bounds == axes.bbox.bounds
            if is_inside and not box.count_overlaps(taken):
                break
        taken.append(box)
        if distance > _DISTANCES_PT[0]:
            line = {"arrowstyle": "-", "linewidth": 0.6, "color": "#767676"}
            axes.annotate("", xy, xytext=(dx, dy), textcoords="offset points", arrowprops=line)
