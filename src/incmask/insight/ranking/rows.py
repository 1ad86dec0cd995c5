"""What a ranking is: rows with their reasons, and a table of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from incmask.base.tables import csv_parts
from incmask.base.words import ShortRepr
from incmask.data.images.tiles import Window
from incmask.insight.ranking.orders import RANKED

NOT_SHOWN = "no order has been shown to be better than labelling at random"
"""What was measured so far, in ``docs/results.md``; whoever chooses an order is told."""


@dataclass(frozen=True)
class RankedRow:
    """An image, or a crop of one, at its place.

    Attributes:
        rank: from 1.
        name: of the image.
        crop: the part of it; None: the whole.
        score: share of the expected error of all that is ranked which labelling this one bears on, and what is ranked
            before it does not; 0 to 1, never rises with the rank in the order "ranked".
        disputed_of_foreground: share of the foreground that is disputed, 0 to 1; None: a single model disputes nothing.
        inconsistent_fraction: share of all pixels that is disputed; None as well.
        expected_quality: of its mask, by the EvalNets, 0 to 1; None where nothing rates.
        novelty: beside what is labelled and what is ranked before it, 0 to 1.
        reason: in words.
    """

    rank: int
    name: str
    crop: Window | None
    score: float
    disputed_of_foreground: float | None
    inconsistent_fraction: float | None
    expected_quality: float | None
    novelty: float
    reason: str


@dataclass(frozen=True)
class Region:
    """An image, or a crop of one; ``crop`` is None for the whole."""

    name: str
    crop: Window | None

    @property
    def title(self) -> str:
        """For people."""
        return self.name if self.crop is None else f"{self.name} at {self.crop.left}, {self.crop.top}"


@dataclass(frozen=True, repr=False)
class Ranking(ShortRepr):
    """All that was ranked, best first, and what a person should know of it."""

    rows: Sequence[RankedRow]
    notes: tuple[str, ...]
    order: str = RANKED


def csv_of(rows: Sequence[RankedRow]) -> Iterator[str]:
    """Write a line an image, or a crop with its place in the image in pixels, in parts."""
    # What one row has all have.
    crops = any(row.crop for row in rows[:1])
    rated = any(row.expected_quality is not None for row in rows[:1])
    header = [
        *("rank", "name"),
        *(("x", "y", "width", "height") if crops else ()),
        *("score", "disputed_of_foreground", "inconsistent_fraction"),
        *(("expected_quality",) if rated else ()),
        *("novelty", "reason"),
    ]
    lines = (
        [
            *(row.rank, row.name),
            *((row.crop.left, row.crop.top, row.crop.width, row.crop.height) if row.crop else ()),
            *(_cell(value) for value in (row.score, row.disputed_of_foreground, row.inconsistent_fraction)),
            *((_cell(row.expected_quality),) if rated else ()),
            *(_cell(row.novelty), row.reason),
        ]
        for row in rows
    )
    return csv_parts(header, lines)


def to_csv(rows: Sequence[RankedRow]) -> str:
    """Do the same at once."""
    return "".join(csv_of(rows))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
