"""What a ranking and a simulation came to, as text, as values for machines, and as a figure."""

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incmask.base.caller import either, option
from incmask.base.files import write_text
from incmask.base.words import counted
from incmask.insight.ranking.orders import RANDOM, RANKED
from incmask.insight.ranking.rows import NOT_SHOWN, Ranking
from incmask.insight.ranking.simulation import START, Simulation
from incmask.insight.report.comparison_page.style import cycle_style
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.statistics import SCORE_BOUNDS, Summary, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE = "simulation.svg"

_SHOWN = 20


def ranking_text(ranking: Ranking, path: Path | str | None) -> str:
    """Give the first rows with their reasons, and where all of them are; None: nowhere, since it was a view alone."""
    lines = [*ranking.notes]
    for row in ranking.rows[:_SHOWN]:
        where = f" at {row.crop.left}, {row.crop.top}" if row.crop else ""
        lines.append(f"{row.rank:>4}  {row.score:.3f}  {row.name}{where}: {row.reason}")
    if ranking.order != RANDOM:
        other = f"{option('order', 'diverse')} asks no model" if ranking.order == RANKED else ""
        lines.append("; ".join(filter(None, [f"{NOT_SHOWN} (docs/results.md, What to label next)", _trial(), other])))
    where = f"in {path}" if path else f"looked at, none written; {either('-o FILE', 'out=FILE')} keeps them"
    return "\n".join([*lines, f"{counted(len(ranking.rows), 'row')} {where}"])


def _trial() -> str:
    return either("--simulate tries it on your own labels", "incmask rank RUN --simulate tries it on your own labels")


def ranking_as_dict(ranking: Ranking, path: Path | str | None) -> dict[str, Any]:
    """Give the same for machines."""
    return {
        "ranking": str(path) if path else None,
        "order": ranking.order,
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
    """Give a line an order and round, and which orders beat labelling at random."""
    splits = simulation.splits
    lines = [f"{'order':<10}{'labelled':>9}" + "".join(f"{split:>12}" for split in splits)]
    for order in (START, *simulation.orders):
        for num in simulation.levels(order):
            means = (summarise(simulation.scores(order, split=split, num_labelled=num)).mean for split in splits)
            lines.append(f"{order:<10}{num:>9}" + "".join(f"{mean:>12.4f}" for mean in means))
    lines += [verdict(simulation, order, split=split) for split in splits for order in _judged(simulation)]
    lines.append(f"score           {simulation.scoring.full_name}")
    return "\n".join([*lines, f"all trainings   {simulation.root}"])


def verdict(simulation: Simulation, order: str, *, split: str) -> str:
    """Say in a sentence whether labelling in an order beats labelling at random on a split; of rounds by their mean."""
    found = simulation.difference(order, RANDOM, split=split)
    assert found is not None, "scores of both orders"
    name = "ranking" if order == RANKED else order
    num_rounds = len(simulation.levels(order))
    unit = f"{simulation.scoring.name} on {split}" + (f", mean of {num_rounds} rounds" if num_rounds > 1 else "")
    if found.num < 2:
        return f"{order} minus random: {found.mean:+.3f} {unit}; more seeds are needed to tell more"
    interval = f"95 % interval {found.low:+.3f} to {found.high:+.3f}, {found.num} seeds"
    if found.low > 0:
        return f"{name} beats random by {found.mean:.3f} {unit} ({interval})"
    if found.high < 0:
        return f"{name} is worse than random by {-found.mean:.3f} {unit} ({interval})"
    return f"no difference between {name} and random is shown: {found.mean:+.3f} {unit} ({interval})"


def _judged(simulation: Simulation) -> tuple[str, ...]:
    """Give the orders that can be compared with labelling at random."""
    return tuple(order for order in simulation.orders if order != RANDOM) if RANDOM in simulation.orders else ()


def simulation_as_dict(simulation: Simulation) -> dict[str, Any]:
    """Give the same for machines; differences are those to labelling at random, by round and of the mean of all."""
    return {
        "simulation": str(simulation.root),
        "rows": [vars(row) for row in simulation.rows],
        "differences": {
            split: {order: _differences(simulation, order, split=split) for order in _judged(simulation)}
            for split in simulation.splits
        },
        "verdicts": [verdict(simulation, order, split="validation") for order in _judged(simulation)],
        "notes": list(simulation.notes),
    }


def _differences(simulation: Simulation, order: str, *, split: str) -> dict[str, Any]:
    return _plain(simulation.difference(order, RANDOM, split=split)) | {
        "by_round": [
            {"labelled": num, **_plain(simulation.difference(order, RANDOM, split=split, num_labelled=num))}
            for num in simulation.levels(order)
        ]
    }


def simulation_picture(simulation: Simulation) -> Drawing:
    """Draw the mean score of each order by the number of labels, with its interval over seeds.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    told = "; ".join(verdict(simulation, order, split="validation") for order in _judged(simulation))
    return to_picture(
        partial(_draw, simulation),
        name="simulation",
        title="Labelling in several orders",
        alt=f"{simulation.scoring.name} by the number of labelled images, in each order{': ' if told else ''}{told}.",
    )


def write_picture(simulation: Simulation) -> None:
    """Write ``FIGURE`` into the folder of a simulation; raises as ``simulation_picture`` does."""
    write_text(simulation.root / FIGURE, simulation_picture(simulation).svg)


def _draw(simulation: Simulation) -> "Figure":
    splits = simulation.splits
    figure = new_figure(width_in=4.5 * len(splits), height_in=3.8)
    for axes, split in zip(figure.subplots(1, len(splits), squeeze=False)[0], splits, strict=True):
        _draw_split(axes, simulation, split)
    return figure


def _draw_split(axes: "Axes", simulation: Simulation, split: str) -> None:
    def found(order: str, num: int) -> Summary:
        return summarise(simulation.scores(order, split=split, num_labelled=num), bounds=SCORE_BOUNDS)

    (num_start,) = simulation.levels(START)
    levels = simulation.levels(simulation.orders[0])
    apart = (levels[-1] - num_start) / 60
    for place, order in enumerate(simulation.orders):
        style, shift = cycle_style(place), apart * (place - (len(simulation.orders) - 1) / 2)
        points = [found(START, num_start), *(found(order, num) for num in levels)]
        reach = [[each.mean - each.low for each in points], [each.high - each.mean for each in points]]
        axes.errorbar(
            [num + shift for num in (num_start, *levels)],
            [each.mean for each in points],
            yerr=reach if points[0].num > 1 else None,
            label=order,
            color=style.colour,
            marker=style.marker,
            markersize=5,
            capsize=3,
        )
    axes.set_xlabel("labelled images")
    axes.set_ylabel(simulation.scoring.name)
    axes.set_title(split)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small")


def _plain(found: Summary | None) -> dict[str, float | int | None]:
    """JSON knows no nan."""
    assert found is not None, "scores of both orders"
    return {
        name: value if math.isfinite(value) else None
        for name, value in (("mean", found.mean), ("low", found.low), ("high", found.high), ("num", found.num))
    }
