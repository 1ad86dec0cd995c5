"""What a page is made of: headings, sentences, tables, galleries, figures; and how numbers stand in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from incmask.base.tables import markdown_table
from incmask.insight.report.picture import Drawing, PictureSheet


@dataclass(frozen=True)
class Text:
    """A paragraph, `code` between backticks; a "warning" stands out, a "note" stands back, an "answer" is large."""

    kind: ClassVar[str] = "text"
    text: str
    tone: Literal["", "answer", "warning", "note"] = ""


@dataclass(frozen=True)
class Sentences:
    """A list of sentences; "warnings" stand out."""

    kind: ClassVar[str] = "sentences"
    sentences: tuple[str, ...]
    tone: Literal["", "warnings"] = ""


@dataclass(frozen=True)
class Command:
    """A line to type, and what it does."""

    kind: ClassVar[str] = "command"
    text: str
    command: str


@dataclass(frozen=True)
class Fact:
    """A name and what is to be said of it."""

    name: str
    value: str


@dataclass(frozen=True)
class FactList:
    """Names and values; with a ``title`` they are folded under it."""

    kind: ClassVar[str] = "facts"
    facts: tuple[Fact, ...]
    title: str = ""
    as_code: bool = False


@dataclass(frozen=True)
class Link:
    """A name and a path relative to the page, ready for an ``href``."""

    text: str
    href: str


@dataclass(frozen=True)
class TableCell:
    """What stands in a table, where that is more than a text.

    Attributes:
        text: as it is shown.
        value: by which it is sorted; None: by the text.
        links: in place of the text.
    """

    text: str
    value: float | None = None
    links: tuple[Link, ...] = ()


TableRow = tuple[str | TableCell, ...]


@dataclass(frozen=True)
class Table:
    """A table, which the page of a run lets people sort by any column; the first names the row.

    Attributes:
        title: its heading.
        header: a name a column.
        rows: as many cells each.
        note: what a reader must know; may be empty.
        name: fit for an id, unique on the page.
        num_rows: that there are in all, where the table would be too long; None: those in ``rows``.
        rest: where the others are.
        sorted_by: the column that the rows are sorted by, and how; None: by none.
        is_folded: only its title is seen at first.
    """

    kind: ClassVar[str] = "table"
    title: str
    header: tuple[str, ...]
    rows: tuple[TableRow, ...]
    note: str = ""
    name: str = ""
    num_rows: int | None = None
    rest: Link | None = None
    sorted_by: tuple[int, Literal["ascending", "descending"]] | None = None
    is_folded: bool = False

    def to_markdown(self) -> str:
        """Write title, table and note."""
        texts = [[cell if isinstance(cell, str) else cell.text for cell in row] for row in (self.header, *self.rows)]
        header, *rows = [[text.replace("|", "\\|") for text in line] for line in texts]
        parts = (f"**{self.title}**", markdown_table(header, rows), self.note)
        return "\n\n".join(part for part in parts if part) + "\n"


@dataclass(frozen=True)
class Outline:
    """Closed lines over a picture.

    Attributes:
        kind: "true", "predicted", "mask" or "crop".
        path: as in the ``d`` of an SVG path, in pixels of the thumbnail.
        colour: such as "#ff0000"; "": that of its kind.
    """

    kind: str
    path: str
    colour: str = ""


@dataclass(frozen=True)
class Thumbnail:
    """A picture and what lies over it.

    Attributes:
        title: the image's name.
        text: what is said of it.
        alt: what the picture shows.
        jpeg: content of the file; empty where the image is gone.
        width, height: in pixels.
        layer: content of a PNG that lies over it; may be empty.
        outlines: over it.
        links: to the files at full size.
    """

    title: str
    text: str
    alt: str
    jpeg: bytes
    width: int
    height: int
    layer: bytes = b""
    outlines: tuple[Outline, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Swatch:
    """A colour, such as "#ff0000", and what has it."""

    name: str
    colour: str


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side; a button switches off what lies over them.

    Attributes:
        name: fit for an id, unique on the page.
        title: its heading.
        layer: what lies over the pictures, for the button.
        thumbnails: some are folded where there are many.
        note: what a reader must know; may be empty.
        legend: what the colours mean.
    """

    kind: ClassVar[str] = "gallery"
    name: str
    title: str
    layer: str
    thumbnails: tuple[Thumbnail, ...]
    note: str = ""
    legend: tuple[Swatch, ...] = ()


@dataclass(frozen=True)
class Figures:
    """Drawings that belong together, side by side where there is room.

    Attributes:
        pictures: without any, nothing is shown. Their names are unique on the page, since they become ids.
        title: their heading; may be empty.
        text: what to know before looking; may be empty.
        is_wide: each is as wide as the page and on white, as a single one always is.
        on_white: those side by side are on white, too.
    """

    kind: ClassVar[str] = "figures"
    pictures: tuple[Drawing, ...]
    title: str = ""
    text: str = ""
    is_wide: bool = False
    on_white: bool = False


@dataclass(frozen=True)
class Sheets:
    """Sheets of pictures, one below the other; the last are left out where the page would be too large."""

    kind: ClassVar[str] = "sheets"
    sheets: tuple[PictureSheet, ...]


Block = Text | Sentences | Command | FactList | Table | Gallery | Figures | Sheets


@dataclass(frozen=True)
class PageSection:
    """A part of the page; without blocks it is left out.

    Attributes:
        name: fit for an id, unique on the page.
        heading: what it tells, or a question that it answers.
        blocks: in their order.
    """

    name: str
    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page that needs no other file and no network.

    Attributes:
        title: of the page.
        sections: in their order.
        summary: the gist, a sentence each.
        is_live: tables can be sorted, and what lies over pictures be switched off.
        limits: lines of a table, and pictures of a gallery or of sheets; tried one after the other until the page is
            small enough. None: all.
    """

    title: str
    sections: tuple[PageSection, ...]
    summary: tuple[str, ...] = ()
    is_live: bool = False
    limits: tuple[tuple[int | None, int | None], ...] = ((None, None),)


def percent(share: float, *, digits: int = 1) -> str:
    """Write a share, 0 to 1, in percent; a small one with another digit, so that it is not 0."""
    return f"{100 * share:.{digits if share >= 0.01 or share == 0 else 2}f} %"


def decimal(value: float) -> str:
    """Write a score; never -0.000, which rounding would make of the least bit below 0."""
    return f"{round(value, 3) + 0.0:.3f}"


def signed(value: float) -> str:
    """Write a difference with its sign; never −0.000."""
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", "−")


def number(value: float, text: str = "") -> TableCell:
    """Write a score, or a number as ``text`` says; a dash where it is nan."""
    missing = value != value
    return TableCell("–" if missing else text or decimal(value), None if missing else value)


def whole(value: float) -> TableCell:
    """Write a whole number."""
    return number(value, f"{value:,.0f}")


def plain_cell(value: object) -> TableCell:
    """Write what another file holds: a number short, and nothing as a dash."""
    text = "–" if value is None or value == "" else str(value)
    try:
        found = float(text)
    except ValueError:
        return TableCell(text)
    return number(found, f"{found:.4g}" if "." in text else text)
