"""What is known of the pseudo-labels of a generation, as a table on disk."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from incmask.base.intact import intact
from incmask.base.packed import Packed
from incmask.base.tables import csv_parts
from incmask.base.words import counted
from incmask.experiment.paths import INDEX


@dataclass(frozen=True)
class PseudoLabels:
    """What is known of the pseudo-labels of a generation; arrays of one value an image, rows as unlabelled.

    Attributes:
        admitted: whether the pair is used.
        inconsistent_fraction, foreground_fraction: shares of pixels, 0 to 1.
        quality: ratings, 0 to 1; None where nothing rates.
        copies: how often an admitted pair is used, apart from the plain one beside an augmented one.
        left_out: why a pair is not used, a word of ``REASONS`` as bytes; none for those that are.
    """

    admitted: np.ndarray
    inconsistent_fraction: np.ndarray
    foreground_fraction: np.ndarray
    quality: np.ndarray | None
    copies: np.ndarray
    left_out: np.ndarray

    @property
    def disputed_share(self) -> float:
        """Disputed pixels, as a share of all pixels of all images, used or not."""
        return float(self.inconsistent_fraction.mean())

    @property
    def foreground_share(self) -> float:
        """Foreground pixels that are not disputed, as a share of the same."""
        return float(self.foreground_fraction.mean())

    @property
    def why_left_out(self) -> str:
        """The pairs that are not used, counted by reason; "" where all are."""
        counts = [(int((self.left_out == word.encode()).sum()), told) for word, told in REASONS.items()]
        return ", ".join(f"{num:,} {told}" for num, told in counts if num)


REASONS = {"disputed": "too much disputed", "empty": "empty", "rating": "rated too low"}
"""Why a pair is not used: no more certain foreground than disputed pixels; neither of them; or the EvalNets' rating."""

REASON = np.dtype(f"S{max(map(len, REASONS))}")
"""Holds one of these words."""


def join(parts: Sequence[PseudoLabels]) -> PseudoLabels:
    """Put what is known of some images behind what is known of others."""
    columns = {each.name: [getattr(part, each.name) for part in parts] for each in fields(PseudoLabels)}
    joined: dict[str, Any] = {
        name: None if values[0] is None else np.concatenate(values) for name, values in columns.items()
    }
    return PseudoLabels(**joined)


def describe_pseudo_labels(index: Path, *, ground: str = "background") -> str:
    """Say in a line what the pseudo-labels of a generation are like; ``ground`` is no foreground, "": nothing is."""
    known = read_pseudo_labels(index)
    num_images, used = len(known.admitted), known.admitted
    rest = f" ({known.why_left_out})" if known.why_left_out else ""
    if not used.any():
        return f"none of the {num_images} pseudo-labels is used{rest}; the labelled images train alone"
    text = f"{used.sum()} of {counted(num_images, 'pseudo-label')} used"
    if rest:
        text += f", the others left out{rest}"
    if (known.copies[used] > 1).any():
        text += f"; {known.copies[used].mean():.1f} copies each"
    text += f"; {known.disputed_share:.1%} of all pixels are disputed"
    if not ground:
        return text
    if known.foreground_fraction[used].mean() == 0:
        return f"{text}; those used hold no foreground at all: the teachers have collapsed to {ground}"
    return f"{text}, {known.foreground_share:.1%} foreground"


def read_pseudo_labels(index: Path) -> PseudoLabels:
    """Read what ``index_csv`` wrote."""
    rows = Packed(_Row)
    with open(intact(index), newline="", encoding="utf-8") as handle:
        for line in (reader := csv.DictReader(handle)):
            rows.append(
                _Row(
                    admitted=line["admitted"] == "True",
                    inconsistent_fraction=float(line["inconsistent_fraction"]),
                    foreground_fraction=float(line["foreground_fraction"]),
                    quality=float(line.get("quality", "nan")),
                    copies=int(line["copies"]),
                    # An earlier version did not tell.
                    left_out=line.get("left_out", ""),
                )
            )
    columns: dict[str, Any] = {name: np.fromiter(rows.column(name), kind, len(rows)) for name, kind in _NUMBERS.items()}
    columns["left_out"] = np.fromiter(map(str.encode, rows.column("left_out")), REASON, len(rows))
    rated = "quality" in (reader.fieldnames or ())
    return PseudoLabels(**columns | ({} if rated else {"quality": None}))


_NUMBERS: dict[str, type] = {
    "admitted": bool,
    "copies": int,
    **dict.fromkeys(("inconsistent_fraction", "foreground_fraction", "quality"), float),
}


@dataclass(frozen=True)
class _Row:
    admitted: bool
    inconsistent_fraction: float
    foreground_fraction: float
    quality: float
    copies: int
    left_out: str


def accepted_before(folder: Path | None, num_images: int) -> np.ndarray:
    """Ratings of the labels that a generation accepted, float (N,); -1, below every rating, where it accepted none.

    Args:
        folder: of its pseudo-labels; None: there was none.
        num_images: N.
    """
    if folder is None:
        return np.full(num_images, -1.0)
    known = read_pseudo_labels(folder / INDEX)
    assert known.quality is not None
    return np.where(known.admitted, known.quality, -1)


def index_csv(names: Sequence[str], found: PseudoLabels) -> Iterator[str]:
    """Write a line an image; in parts, of some lines each."""
    columns: dict[str, Iterable[object]] = {
        "row": range(len(names)),
        "name": names,
        "admitted": map(bool, found.admitted),
        "inconsistent_fraction": (f"{fraction:.6f}" for fraction in found.inconsistent_fraction),
        "foreground_fraction": (f"{fraction:.6f}" for fraction in found.foreground_fraction),
        "copies": map(int, found.copies),
        "left_out": map(bytes.decode, found.left_out),
    }
    if found.quality is not None:
        # In full: a later generation compares its candidates with it.
        columns["quality"] = map(float, found.quality)
    return csv_parts([*columns], zip(*columns.values(), strict=True))
