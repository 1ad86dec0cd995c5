"""What the page of a run is made of: headings, sentences, tables that sort, galleries, figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from incmask.insight.report.picture import Drawing
from incmask.insight.report.run_page.thumbnails import Link, Thumbnail


@dataclass(frozen=True)
class Text:
    """A paragraph, `code` between backticks; a "warning" stands out, a "note" stands back, an "answer" is large."""

    kind: ClassVar[str] = "text"
    text: str
    tone: Literal["plain", "answer", "warning", "note"] = "plain"


@dataclass(frozen=True)
class Command:
    """A line to type, and what it does."""

    kind: ClassVar[str] = "command"
    text: str
    command: str


@dataclass(frozen=True)
class Fact:
    """A name and its value."""

    name: str
    value: str


@dataclass(frozen=True)
class FactList:
    """Names and values; with a ``title`` they are folded under it."""

    kind: ClassVar[str] = "facts"
    facts: tuple[Fact, ...]
    title: str = ""


@dataclass(frozen=True)
class TableCell:
    """What stands in a table.

    Attributes:
        text: as it is shown.
        value: by which it is sorted; None: by the text.
        links: in place of the text.
    """

    text: str
    value: float | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class SortTable:
    """A table that can be sorted by any column; the first names the row.

    Attributes:
        name: fit for an id, unique on the page.
        title: its heading.
        header: a name a column.
        rows: as many cells each.
        num_rows: that there are in all; more than ``rows`` where the table would be too long.
        rest: where the others are.
        note: what a reader must know; may be empty.
        sorted_by: the column that the rows are sorted by, and how; None: by none.
    """

    kind: ClassVar[str] = "table"
    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    num_rows: int
    rest: Link | None = None
    note: str = ""
    sorted_by: tuple[int, Literal["ascending", "descending"]] | None = None


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side; a button switches off what lies over them.

    Attributes:
        name: fit for an id, unique on the page.
        title: its heading.
        layer: what lies over the pictures, for the button.
        thumbnails: some are folded where there are many.
        note: what a reader must know; may be empty.
    """

    kind: ClassVar[str] = "gallery"
    name: str
    title: str
    layer: str
    thumbnails: tuple[Thumbnail, ...]
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """Drawings side by side, where there is room; a single one is as wide as the page, on white."""

    kind: ClassVar[str] = "figures"
    pictures: tuple[Drawing, ...]


Block = Text | Command | FactList | SortTable | Gallery | Figures


@dataclass(frozen=True)
class PageSection:
    """A part of the page; without blocks it is left out.

    Attributes:
        name: fit for an id, unique on the page.
        heading: a question that the section answers.
        blocks: in their order.
    """

    name: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class RunPage:
    """The page of a run.

    Attributes:
        title: of the page.
        summary: the gist, a sentence each.
        sections: in their order.
    """

    title: str
    summary: tuple[str, ...]
    sections: tuple[PageSection, ...]


def limited(page: RunPage, *, num_rows: int, num_thumbnails: int) -> RunPage:
    """Shorten every table and every gallery."""

    def shorten(block: Block) -> Block:
        if isinstance(block, SortTable):
            return replace(block, rows=block.rows[:num_rows])
        if isinstance(block, Gallery):
            return replace(block, thumbnails=block.thumbnails[:num_thumbnails])
        return block

    sections = tuple(
        replace(section, blocks=tuple(shorten(block) for block in section.blocks)) for section in page.sections
    )
    return replace(page, sections=sections)


def table(
    name: str, title: str, header: Sequence[str], rows: Sequence[Sequence[str | TableCell]], *, note: str = ""
) -> SortTable:
    """Make a table of texts; numbers among them sort as numbers."""
    cells = tuple(tuple(cell if isinstance(cell, TableCell) else TableCell(cell) for cell in row) for row in rows)
    return SortTable(name, title, tuple(header), cells, len(cells), note=note)


def percent(share: float, *, digits: int = 1) -> str:
    """Write a share, 0 to 1, in percent; a small one with another digit, so that it is not 0."""
    return f"{100 * share:.{digits if share >= 0.01 or share == 0 else 2}f} %"


def decimal(value: float) -> str:
    """Write a score; never -0.000, which rounding would make of the least bit below 0."""
    return f"{round(value, 3) + 0.0:.3f}"


def signed(value: float) -> str:
    """Write a difference with its sign."""
    return f"{value:+.3f}".replace("-", "−")


def number(value: float, text: str = "") -> TableCell:
    """Write a score, or a number as ``text`` says; a dash where it is nan."""
    missing = value != value
    return TableCell("–" if missing else text or decimal(value), None if missing else value)


def plain_cell(value: object) -> TableCell:
    """Write what another file holds: a number short, and nothing as a dash."""
    text = "–" if value is None or value == "" else str(value)
    try:
        found = float(text)
    except ValueError:
        return TableCell(text)
    return number(found, f"{found:.4g}" if "." in text else text)
