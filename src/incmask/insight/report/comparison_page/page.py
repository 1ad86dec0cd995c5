"""The page of a comparison: what was compared, what came out, in tables, figures and pictures."""

import math
from collections.abc import Sequence
from dataclasses import replace

from incmask.base.words import counted
from incmask.insight.report.differences import Estimate, can_tell
from incmask.insight.report.page import (
    Block,
    Fact,
    FactList,
    Figures,
    Page,
    PageSection,
    Sentences,
    Sheets,
    Table,
    Text,
    signed,
)
from incmask.insight.report.pairs import PairRow
from incmask.insight.report.picture import PictureSheet
from incmask.nets.costs import paper_costs

_ABOUT_SHEETS = (
    "Of the unlabelled images, as students got them. Masked pixels are black in an input, white in a mask and grey in "
    "a pseudo-label; grey in a truth has no label. Classes have the colours of the data set, overlapping ones their "
    "mean."
)
_NOTHING = "–"


def comparison_page(
    *,
    title: str,
    facts: Sequence[Fact] = (),
    warnings: Sequence[str] = (),
    sentences: Sequence[str] = (),
    tables: Sequence[Table] = (),
    pairs: Sequence[Table] = (),
    figures: Sequence[Figures] = (),
    costs: Table | None = None,
    sheets: Sequence[PictureSheet] = (),
    how_to_repeat: Sequence[Fact] = (),
) -> Page:
    """Put together the page; what is empty or None is left out, with its heading.

    Args:
        title: of the page.
        facts: what was compared: data, settings, repeats, machine, date.
        warnings: what a reader must not miss, a sentence each.
        sentences: what came out, a sentence each.
        tables: the verdicts first.
        pairs: all pairs' significance, a table a budget; folded.
        figures: in the order of the page.
        costs: as ``costs_table`` gives it.
        sheets: the later ones are left out where the page would be too large.
        how_to_repeat: commands and versions, shown as code.
    """
    compared: list[Block] = [Sentences(tuple(warnings), "warnings")] if warnings else []
    compared += [FactList(tuple(facts))] if facts else []
    folded = [replace(table, name=f"table-pairs-{number}", is_folded=True) for number, table in enumerate(pairs, 1)]
    repeat = [FactList(tuple(how_to_repeat), as_code=True)] if how_to_repeat else []
    sections = (
        PageSection("compared", "What was compared", compared),
        PageSection("verdicts", "Does it beat the baselines?", [Sentences(tuple(sentences))] if sentences else []),
        PageSection(
            "tables", "Tables", [replace(table, name=f"table-{number}") for number, table in enumerate(tables, 1)]
        ),
        PageSection("pairs", "Significance", folded),
        PageSection("figures", "Figures", [replace(group, is_wide=True) for group in figures if group.pictures]),
        PageSection("costs", "Costs", [replace(costs, name="table-costs")] if costs else []),
        PageSection("sheets", "Pictures", [Text(_ABOUT_SHEETS), Sheets(tuple(sheets))] if sheets else []),
        PageSection("repeat", "How to repeat", repeat),
    )
    return Page(title, sections, limits=tuple((None, num) for num in range(len(sheets), -1, -1)))


def costs_table() -> Table:
    """Make table 3 of the paper anew, beside what it prints; counts seven networks, which takes seconds."""
    return Table(
        title="The network's cost by width (the paper's table 3)",
        header=("width", "parameters", "GFLOPs, counted", "GFLOPs, as the paper prints them", "ratio"),
        rows=tuple(
            (
                f"{row.width:g}",
                f"{row.num_parameters:,}",
                f"{row.gflops:.3g}",
                f"{row.paper_gflops:g}",
                f"{row.ratio:.0f}",
            )
            for row in paper_costs()
        ),
        note="Of a forward pass of one image of 256 by 256 pixels, 3 channels and one output; a multiply-add is 2 "
        "operations. The paper's column is 100 times too small; all other costs on this page are counted ones.",
    )


def pairs_table(pairs: Sequence[PairRow], *, title: str = "Differences between all pairs") -> Table:
    """Make a line a pair of what ``compare_pairs`` found."""
    overlap = {True: "overlap", False: "apart", None: _NOTHING}
    answer = {True: "yes", False: "not shown", None: "cannot be told"}
    return Table(
        title=title,
        header=(
            "first",
            "second",
            "first minus second",
            "95 % interval",
            "p",
            "adjusted p",
            "different",
            "intervals over repeats",
        ),
        rows=tuple(
            (
                pair.first,
                pair.second,
                signed(pair.difference.mean),
                _interval(pair.difference),
                _probability(pair.difference.p_value),
                _probability(pair.adjusted_p),
                answer[pair.significant],
                overlap[pair.intervals_overlap],
            )
            for pair in pairs
        ),
        note=f"{_drawn(pairs)} p is adjusted for all pairs (Holm); different is what has it below 0.05. The "
        "last column is the paper's rule: two approaches differ if the 95 % intervals of their means over repeats do "
        "not overlap.",
    )


def _drawn(pairs: Sequence[PairRow]) -> str:
    """Say what the intervals know of, and of how many."""
    found = pairs[0].difference if pairs else Estimate(0.0, ())
    repeats, subjects = found.num("repeat"), found.num("subject")
    if not subjects:
        return (
            "Mean differences over repeats, each with itself, on the images that chose; other images are not known of."
        )
    return (
        f"Mean differences over {counted(repeats, 'repeat')}, each with itself, and {counted(subjects, 'subject')} of "
        "the test images. Other trainings and other subjects are both in the interval: its reach is the root of the "
        "sum of the squares of the reaches that each has alone, by Student's t."
    )


def _interval(found: Estimate) -> str:
    return f"{signed(found.low)} to {signed(found.high)}" if can_tell(found) else _NOTHING


def _probability(value: float) -> str:
    if math.isnan(value):
        return _NOTHING
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"
