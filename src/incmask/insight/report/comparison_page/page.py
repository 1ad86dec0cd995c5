"""A comparison as one HTML page that needs no other file and no network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from incmask.insight.report.comparison_page.sheets import PictureSheet
from incmask.insight.report.comparison_page.tables import Table
from incmask.insight.report.picture import Drawing
from incmask.insight.report.statistics import PairRow
from incmask.insight.report.template import templates
from incmask.nets.costs import paper_costs

if TYPE_CHECKING:
    from jinja2 import Template

MAX_PAGE_BYTES = 20 * 2**20
"""Sheets that would make the page larger are left out."""

_MARKUP_BYTES = 2_000
"""More than a sheet takes besides its picture and texts."""
_NOTHING = "–"


@dataclass(frozen=True)
class Fact:
    """A name and what is to be said of it."""

    name: str
    value: str


@dataclass(frozen=True)
class Group:
    """Figures that belong together.

    Attributes:
        title: its heading.
        text: what to know before looking; may be empty.
        pictures: without any, the group is left out.
    """

    title: str
    text: str
    pictures: tuple[Drawing, ...]


@dataclass(frozen=True)
class PageContent:
    """All that stands on the page; what is empty or None is left out, with its heading.

    Names of pictures and sheets are unique, since they become ids.

    Attributes:
        title: of the page.
        facts: what was compared: data, settings, repeats, machine, date.
        warnings: what a reader must not miss, a sentence each.
        sentences: what came out, a sentence each.
        tables: the verdicts first.
        pairs: all pairs' significance, a table a budget; folded.
        figure_groups: in the order of the page.
        costs: as ``costs_table`` gives it.
        sheets: the later ones are left out where the page would be larger than ``MAX_PAGE_BYTES``.
        how_to_repeat: commands and versions, shown as code.
    """

    title: str
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    pairs: tuple[Table, ...]
    figure_groups: tuple[Group, ...]
    costs: Table | None
    sheets: tuple[PictureSheet, ...]
    how_to_repeat: tuple[Fact, ...] = ()


def compare_page(content: PageContent) -> str:
    """Write the page.

    Raises:
        IncmaskError: jinja2 is not installed.
    """
    template = templates().get_template("compare.html.j2")
    content = replace(content, figure_groups=tuple(group for group in content.figure_groups if group.pictures))
    room = MAX_PAGE_BYTES - len(_render(template, replace(content, sheets=()), num_left_out=len(content.sheets)))
    kept: list[PictureSheet] = []
    for sheet in content.sheets:
        room -= _most_bytes(sheet)
        if room < 0:
            break
        kept.append(sheet)
    page = _render(template, replace(content, sheets=tuple(kept)), num_left_out=len(content.sheets) - len(kept))
    return page.decode()


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
    return Table(
        title=title,
        header=(
            "first",
            "second",
            "first minus second",
            "95 % interval",
            "p",
            "adjusted p",
            "significant",
            "intervals over repeats",
        ),
        rows=tuple(
            (
                pair.first,
                pair.second,
                f"{pair.difference.mean:+.3f}",
                f"{pair.difference.low:+.3f} to {pair.difference.high:+.3f}",
                _probability(pair.difference.p_value),
                _probability(pair.adjusted_p),
                "yes" if pair.significant else "no",
                overlap[pair.intervals_overlap],
            )
            for pair in pairs
        ),
        note="Mean differences over test images, each image's score averaged over repeats; interval and p by a paired "
        "bootstrap, adjusted for all pairs (Holm), significant below 0.05. The last column is the paper's rule: two "
        "approaches differ if the 95 % intervals of their means over repeats lie apart.",
    )


def _probability(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def _render(template: "Template", content: PageContent, *, num_left_out: int) -> bytes:
    return template.render(content=content, num_left_out=num_left_out).encode()


def _most_bytes(sheet: PictureSheet) -> int:
    """Limit what a sheet adds to the page from above: an escaped character has at most 6 bytes."""
    texts = 2 * len(sheet.title) + 2 * len(sheet.alt) + len(sheet.name)
    return 4 * math.ceil(len(sheet.png) / 3) + 6 * texts + _MARKUP_BYTES
