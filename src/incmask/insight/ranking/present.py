"""What a ranking and a simulation came to, as text, as values for machines, and as a figure."""

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incmask.base.caller import either
from incmask.base.words import counted
from incmask.insight.ranking.rank import Ranking
from incmask.insight.ranking.simulate import ENTROPY, RANDOM, RANKED, START, Simulation
from incmask.insight.report.comparison_page.style import cycle_style
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.statistics import SCORE_BOUNDS, Summary, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE = "simulation.svg"

_SHOWN = 20


def ranking_text(ranking: Ranking, path: Path | None) -> str:
    """Give the first rows with their reasons, and where all of them are; None: nowhere, since it was a view alone."""
    lines = [*ranking.notes]
    for row in ranking.rows[:_SHOWN]:
        where = f" at {row.crop.left}, {row.crop.top}" if row.crop else ""
        lines.append(f"{row.rank:>4}  {row.score:.3f}  {row.name}{where}: {row.reason}")
    where = f"in {path}" if path else f"looked at, none written; {either('-o FILE', 'out=FILE')} keeps them"
    return "\n".join([*lines, f"{counted(len(ranking.rows), 'row')} {where}"])


def ranking_as_dict(ranking: Ranking, path: Path | None) -> dict[str, Any]:
    """Give the same for machines."""
    return {
        "ranking": str(path) if path else None,
        "notes": list(ranking.notes),
        "rows": [
            {
                "rank": row.rank,
                "name": row.name,
                **(
                    {"x": row.crop.left, "y": row.crop.top, "width": row.crop.width, "height": row.crop.height}
                    if row.crop
                    else {}
                ),
                "score": row.score,
                "reason": row.reason,
            }
            for row in ranking.rows
        ],
    }


def simulation_text(simulation: Simulation) -> str:
    """Give a line an order, and whether ranking beats the others."""
    splits = simulation.splits
    lines = [f"{'order':<10}{'labelled':>9}{'validation':>12}" + (f"{'test':>10}" if "test" in splits else "")]
    for order in (START, RANKED, RANDOM, ENTROPY):
        num = next(row.num_labelled for row in simulation.rows if row.order == order)
        line = f"{order:<10}{num:>9}{summarise(simulation.scores(order)).mean:>12.4f}"
        if "test" in splits:
            line += f"{summarise(simulation.scores(order, split='test')).mean:>10.4f}"
        lines.append(line)
    for split in splits:
        lines += [verdict(simulation, other, split=split) for other in (RANDOM, ENTROPY)]
    lines.append(f"score           {simulation.scoring.full_name}")
    return "\n".join([*lines, f"all trainings   {simulation.root}"])


def verdict(simulation: Simulation, other: str, *, split: str) -> str:
    """Say in a sentence whether labelling in ranked order beats another order on a split."""
    found = simulation.difference(RANKED, other, split=split)
    assert found is not None, "scores of both orders"
    unit = f"{simulation.scoring.name} on {split}"
    if found.num < 2:
        return f"ranked minus {other}: {found.mean:+.3f} {unit}; more seeds are needed to tell more"
    interval = f"95 % interval {found.low:+.3f} to {found.high:+.3f}, {found.num} seeds"
    if found.low > 0:
        return f"ranking beats {other} by {found.mean:.3f} {unit} ({interval})"
    if found.high < 0:
        return f"ranking is worse than {other} by {-found.mean:.3f} {unit} ({interval})"
    return f"no difference between ranking and {other} is shown: {found.mean:+.3f} {unit} ({interval})"


def simulation_as_dict(simulation: Simulation) -> dict[str, Any]:
    """Give the same for machines."""
    return {
        "simulation": str(simulation.root),
        "rows": [vars(row) for row in simulation.rows],
        "differences": {
            split: {other: _plain(simulation.difference(RANKED, other, split=split)) for other in (RANDOM, ENTROPY)}
            for split in simulation.splits
        },
        "verdict": verdict(simulation, RANDOM, split="validation"),
        "notes": list(simulation.notes),
    }


def simulation_picture(simulation: Simulation) -> Drawing:
    """Draw the scores of all seeds by order, with their means.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    return to_picture(
        partial(_draw, simulation),
        name="simulation",
        title="Labelling in ranked, random and entropy order",
        alt=f"{simulation.scoring.name} of each seed at the start and after labelling in each order; "
        f"{verdict(simulation, RANDOM, split='validation')}.",
    )


def _draw(simulation: Simulation) -> "Figure":
    splits = simulation.splits
    figure = new_figure(width_in=4.5 * len(splits), height_in=3.8)
    for axes, split in zip(figure.subplots(1, len(splits), squeeze=False)[0], splits, strict=True):
        _draw_split(axes, simulation, split)
    return figure


def _draw_split(axes: "Axes", simulation: Simulation, split: str) -> None:
    orders = (START, RANDOM, ENTROPY, RANKED)
    scores = [simulation.scores(order, split=split) for order in orders]
    for of_seed in zip(*scores, strict=True):
        axes.plot(range(len(orders)), of_seed, color="#999999", linewidth=0.8, zorder=1)
    for place, values in enumerate(scores):
        style, found = cycle_style(place), summarise(values, bounds=SCORE_BOUNDS)
        axes.scatter([place] * len(values), values, s=14, color=style.colour, alpha=0.6, linewidths=0, zorder=2)
        reach = [[found.mean - found.low], [found.high - found.mean]] if found.num > 1 else None
        axes.errorbar(
            place, found.mean, yerr=reach, color=style.colour, marker=style.marker, markersize=8, capsize=4, zorder=3
        )
    axes.set_xticks(range(len(orders)), orders)
    axes.margins(x=0.12)
    axes.set_ylabel(simulation.scoring.name)
    axes.set_title(split)
    axes.grid(axis="y", alpha=0.3)


def _plain(found: Summary | None) -> dict[str, float | int | None]:
    """JSON knows no nan."""
    assert found is not None, "scores of both orders"
    return {
        name: value if math.isfinite(value) else None
        for name, value in (("mean", found.mean), ("low", found.low), ("high", found.high), ("num", found.num))
    }
