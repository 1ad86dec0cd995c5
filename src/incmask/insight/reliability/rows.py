"""The tables of errors against disagreement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incmask.base.intact import GONE, read_text
from incmask.base.tables import rows_text
from incmask.base.words import counted
from incmask.experiment.paths import RELIABILITY
from incmask.insight.reliability.counting import ALL, Tally
from incmask.insight.report.differences import LEAST_SUBJECTS, ratio_over_subjects
from incmask.insight.report.statistics import Correlation, correlation

_SPLITS = {"test": "test", "val": "validation"}
_MEASURES = ("inconsistent_fraction", "disputed_of_foreground")


@dataclass(frozen=True)
class ErrorRow:
    """How often pixels of one disagreement are wrong.

    Attributes:
        split: "val" or "test".
        name: of the class that is predicted there; ``ALL``: any.
        disagreement: share of the members that are off the majority.
        num_pixels, num_wrong: with that disagreement and a true label, and those of them predicted wrong.
        error_rate: their ratio.
        low, high: its 95 % interval for other subjects, since the pixels of a subject go together; nan for too
            few of them.
        num_images: that have such pixels.
    """

    split: str
    name: str = field(metadata={"column": "class"})
    disagreement: float
    num_pixels: int
    num_wrong: int
    error_rate: float
    low: float
    high: float
    num_images: int


@dataclass(frozen=True)
class ImageReliability:
    """An image's disagreement and what its mask is worth.

    Attributes:
        split: "val" or "test".
        name: of the image.
        score: the true main score.
        inconsistent_fraction: share of its pixels that is disputed.
        disputed_of_foreground: disputed pixels as a share of those that are foreground or disputed; 0 without any.
    """

    split: str
    name: str
    score: float
    inconsistent_fraction: float
    disputed_of_foreground: float


@dataclass(frozen=True)
class Reliability:
    """What is known of a run's disagreement.

    Attributes:
        errors: by split, class and disagreement.
        images: by split and image.
        num_subjects: that these are of, by split.
        notes: what a person should know.
    """

    errors: tuple[ErrorRow, ...]
    images: tuple[ImageReliability, ...]
    num_subjects: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def correlations(self) -> dict[str, dict[str, Correlation]]:
        """Tell how the size of the disputed part goes with the true score, over images: by split, then by measure."""
        found = {}
        for split in dict.fromkeys(row.split for row in self.images):
            rows = [row for row in self.images if row.split == split]
            found[split] = {
                measure: correlation([getattr(row, measure) for row in rows], [row.score for row in rows])
                for measure in _MEASURES
            }
        return found

    def sentence(self) -> str:
        """Tell what a person should know, from the images that no choice was made by where there are enough."""
        enough = [split for split in ("test", "val") if self.num_subjects.get(split, 0) >= LEAST_SUBJECTS]
        if not enough:
            most = max(self.num_subjects.values(), default=0)
            missing = counted(LEAST_SUBJECTS - most, "more image")
            return f"how often disputed pixels are wrong takes {missing} with true masks in val/ or test/ to tell"
        return next(filter(None, map(self._told, enough)), "nothing was disputed on images with true masks")

    def _told(self, split: str) -> str:
        """Tell how often disputed pixels of a split are wrong; "" where there are none."""
        rows = [row for row in self.errors if row.split == split and row.name == ALL]
        inconsistent = [row for row in rows if row.disagreement > 0]
        pixels = sum(row.num_pixels for row in inconsistent)
        if not pixels:
            return ""
        agreed = [row.error_rate for row in rows if row.disagreement == 0]
        wrong = sum(row.num_wrong for row in inconsistent) / pixels
        rest = f", {agreed[0]:.1%} of those on which the models agree" if agreed else ""
        return f"on {_SPLITS[split]} images {wrong:.0%} of the disputed pixels are wrong{rest}"

    def as_dict(self) -> dict[str, Any]:
        """Give the sentence and the correlations, for ``reliability.json``; null where none can be told."""
        return {
            "sentence": self.sentence(),
            "correlation_with_score": {
                split: {
                    measure: {name: None if value != value else value for name, value in asdict(found).items()}
                    for measure, found in measures.items()
                }
                for split, measures in self.correlations().items()
            },
            "notes": self.notes,
        }


def read_sentence(root: Path) -> str:
    """Read what ``reliability.json`` of a run folder says; "" where it is not there, or says nothing."""
    try:
        return str(json.loads(read_text(root / RELIABILITY))["sentence"])
    except (*GONE, ValueError, KeyError, TypeError):
        return ""


def error_rows(
    split: str,
    names: Sequence[str],
    total: NDArray[np.int64],
    wrong: NDArray[np.int64],
    *,
    subjects: Sequence[str],
) -> list[ErrorRow]:
    """Give a row for each scope and disagreement that there is.

    Args:
        split: of all images.
        names: of the S scopes.
        total, wrong: (N, S, n + 1) as in ``Tally``, by image.
        subjects: of the images.
    """
    num_levels = total.shape[2]
    rows = []
    for scope, level in np.ndindex(len(names), num_levels):
        pixels, errors = total[:, scope, level], wrong[:, scope, level]
        if not pixels.any():
            continue
        num_pixels, num_wrong = int(pixels.sum()), int(errors.sum())
        there = np.flatnonzero(pixels).tolist()
        rate = ratio_over_subjects(errors[there], pixels[there], [subjects[image] for image in there])
        low, high = rate.interval
        disagreement_there = level / (num_levels - 1)
        rows.append(
            ErrorRow(
                split=split,
                name=names[scope],
                disagreement=disagreement_there,
                num_pixels=num_pixels,
                num_wrong=num_wrong,
                error_rate=num_wrong / num_pixels,
                low=low,
                high=high,
                num_images=len(there),
            )
        )
    return rows


def image_rows(split: str, names: Sequence[str], found: Tally, *, scores: Sequence[float]) -> list[ImageReliability]:
    """Give a row an image.

    Args:
        split: of all images.
        names: of the images.
        found: by image.
        scores: of the images.
    """
    pixels, inconsistent = found.total[:, 0].sum(1), found.total[:, 0, 1:].sum(1)
    fractions, shares = inconsistent / np.maximum(pixels, 1), inconsistent / np.maximum(found.object_px, 1)
    return [
        ImageReliability(split, name, float(score), float(fraction), float(share))
        for name, score, fraction, share in zip(names, scores, fractions, shares, strict=True)
    ]


def errors_csv(rows: Sequence[ErrorRow]) -> str:
    """Write ``error_vs_disagreement.csv``."""
    return rows_text(rows, ErrorRow, digits=6)


def images_csv(rows: Sequence[ImageReliability]) -> str:
    """Write ``image_reliability.csv``."""
    return rows_text(rows, ImageReliability, digits=6)
