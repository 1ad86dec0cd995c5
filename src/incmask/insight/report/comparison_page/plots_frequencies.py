"""The heat maps of class frequencies in pseudo-labels and true masks (paper figure 9, section 3.6.4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from incmask.insight.report.comparison_page.rows import EQUAL, MASK_CLASS, OWN, DataFrequencyRow, FrequencyRow
from incmask.insight.report.comparison_page.style import approach_label
from incmask.insight.report.comparison_page.tables import Approach, by_approach
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.statistics import summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_MAX_PANELS_A_LINE = 4


@dataclass(frozen=True)
class _FrequencyPanel:
    """What stands in one heat map; all in percent or percentage points, NaN where nothing is to be said.

    Attributes:
        label: above it.
        columns: their names.
        shares: of the pixels, (classes, columns).
        differences: to the truth, (classes, columns).
        mask_shares: of the mask, (columns,).
    """

    label: str
    columns: list[str]
    shares: Floats
    differences: Floats
    mask_shares: Floats

    @property
    def sums(self) -> Floats:
        """Absolute sums over classes, one a column; the mask, which is no class, is left out."""
        nothing = np.isnan(self.differences).all(axis=0)
        return np.where(nothing, math.nan, np.nansum(np.abs(self.differences), axis=0))


def class_frequencies(
    rows: Sequence[FrequencyRow], data: Sequence[DataFrequencyRow] = (), *, budget: str = OWN
) -> Drawing | None:
    """Draw how much more often each class is in pseudo-labels than in truth, a panel an approach (figure 9).

    Means over repeats in percentage points; below, the share of masked pixels and the absolute sum over the classes.
    The first panel has the shares of the classes in all true masks (FD), and what those of the labelled images differ
    from them (LD).

    Args:
        rows: one panel for each of their recipes and settings.
        data: of the true masks; without any there is no first panel.
        budget: ``OWN`` or ``EQUAL``: of the rows that are drawn.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    rows = [row for row in rows if row.budget == budget]
    classes = list(dict.fromkeys(row.class_name for row in rows if row.class_name != MASK_CLASS))
    if not classes:
        return None
    panels = [_frequency_panel(approach, found, classes) for approach, found in by_approach(rows).items()]
    sums = "; ".join(f"{panel.label} {first_to_last(panel.sums)}" for panel in panels)
    if data:
        panels.insert(0, _data_panel(data, classes))
        sums = f"LD {panels[0].sums[-1]:.1f}; {sums}"
    return to_picture(
        partial(_draw_frequencies, panels, classes),
        name=f"class-frequencies-{budget}",
        title=f"Class frequencies of pseudo-labels minus those of true masks{' at equal steps' * (budget == EQUAL)}",
        alt=f"Heat maps of percentage points, pseudo-labels minus true masks, for {len(classes)} classes and each "
        f"generation, and the share of masked pixels{', beside all and the labelled true masks' if data else ''}; "
        f"absolute sums, first to last generation: {sums}.",
    )


def _frequency_panel(approach: Approach, rows: Sequence[FrequencyRow], classes: Sequence[str]) -> _FrequencyPanel:
    values: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        points = 100 * (row.pseudo_fraction - row.true_fraction)
        values.setdefault((row.class_name, row.generation), []).append(points)
    means = {key: summarise(found).mean for key, found in values.items()}
    generations = sorted({generation for _, generation in means})
    table = np.array(
        [[means.get((name, generation), math.nan) for generation in generations] for name in (*classes, MASK_CLASS)]
    )
    columns = [f"G{generation}" for generation in generations]
    return _FrequencyPanel(approach_label(approach), columns, np.full_like(table[:-1], math.nan), table[:-1], table[-1])


def _data_panel(data: Sequence[DataFrequencyRow], classes: Sequence[str]) -> _FrequencyPanel:
    by_name = {row.class_name: row for row in data}
    full = np.array([100 * by_name[name].full_fraction for name in classes])
    labelled = np.array([100 * by_name[name].labelled_fraction for name in classes])
    nothing = np.full_like(full, math.nan)
    return _FrequencyPanel(
        label="true masks",
        columns=["FD", "LD"],
        shares=np.stack([full, nothing], axis=1),
        differences=np.stack([nothing, labelled - full], axis=1),
        mask_shares=np.full(2, math.nan),
    )


def first_to_last(sums: Floats) -> str:
    """Write the first and the last of some numbers, or the only one."""
    return " to ".join(f"{value:.1f}" for value in (sums[[0, -1]] if len(sums) > 1 else sums))


def _draw_frequencies(panels: Sequence[_FrequencyPanel], classes: Sequence[str]) -> "Figure":
    num_columns = min(len(panels), _MAX_PANELS_A_LINE)
    num_lines = math.ceil(len(panels) / num_columns)
    widest = max(len(panel.columns) for panel in panels)
    width_in = 1.2 + num_columns * max(0.45 * widest + 0.2, 2.0)
    figure = new_figure(width_in=width_in, height_in=num_lines * (0.22 * (len(classes) + 2) + 0.9))
    grid = figure.subplots(num_lines, num_columns, squeeze=False)
    limits = [
        max(0.1, *(float(np.abs(np.nan_to_num(values)).max()) for values in of_all))
        for of_all in zip(*((panel.differences, panel.shares, panel.mask_shares) for panel in panels), strict=True)
    ]
    # Set apart from the classes, since they are none.
    below = [*(["masked"] if any(np.isfinite(panel.mask_shares).any() for panel in panels) else []), "sum"]
    tops = [*range(len(classes)), *(len(classes) + 0.4 + place for place in range(len(below)))]
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.remove()
            continue
        panel = panels[index]
        _draw_cells(axes, panel.differences, top=0, colours="PuOr", low=-limits[0], high=limits[0])
        _draw_cells(axes, panel.shares, top=0, colours="Greens", low=0, high=limits[1])
        if len(below) > 1:
            _draw_cells(axes, panel.mask_shares[None], top=tops[-2], colours="Blues", low=0, high=limits[2])
        _write_cells(axes, panel.sums[None], top=tops[-1], darkest=math.inf)
        names = [*classes, *below]
        axes.set_yticks([top + 0.5 for top in tops], names if index % num_columns == 0 else [""] * len(names))
        axes.set_xticks(np.arange(len(panel.columns)) + 0.5, panel.columns)
        axes.set_ylim(tops[-1] + 1, 0)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(panel.label, fontsize=8)
    figure.supxlabel(
        "percentage points, pseudo-labels minus true masks; FD: percent; LD: percentage points minus FD"
        if any(np.isfinite(panel.shares).any() for panel in panels)
        else "percentage points, pseudo-labels minus true masks",
        fontsize=8,
    )
    return figure


def _draw_cells(axes: "Axes", values: Floats, *, top: float, colours: str, low: float, high: float) -> None:
    """Colour and write a table (rows, columns) of percentages downwards from ``top``; NaN cells stay empty."""
    num_rows, num_columns = values.shape
    xs, ys = np.arange(num_columns + 1), top + np.arange(num_rows + 1)
    axes.pcolormesh(xs, ys, np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=high, edgecolor="white")
    _write_cells(axes, values, top=top, darkest=high)


def _write_cells(axes: "Axes", values: Floats, *, top: float, darkest: float) -> None:
    """Write a table downwards from ``top``, white on what is dark: on values near ``darkest``."""
    for (row, column), value in np.ndenumerate(values):
        if math.isfinite(value):
            colour = "white" if abs(value) > 0.6 * darkest else "black"
            text = f"{value:.1f}".replace("-0.0", "0.0")
            axes.text(column + 0.5, top + row + 0.5, text, ha="center", va="center", color=colour, fontsize=7)
