"""Scores of models and ensembles, as rows of a table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.config import Settings
from incmask.base.device import resolve_device
from incmask.base.progress import Report, ignore
from incmask.base.tables import csv_text
from incmask.method.cells import cell_channels
from incmask.method.losses import loss_of
from incmask.method.scoring import Scoring
from incmask.nets.spec import load_model
from incmask.training.validation import Validation, evaluate


@dataclass(frozen=True)
class EvaluateJob:
    """Models to score together, in any process.

    Attributes:
        stage: "base" or "gen-1" and so on.
        model: the student's number from 1, or "ensemble".
        split: "val" or "test".
        members: model files; the mean of their probabilities is scored.
        images: labelled images to score on.
        scoring: what the models predict, and how that is scored.
        class_names: of the classes.
        position_class: the class that marks centres, if there is one.
        settings: device, precision.
    """

    stage: str
    model: str
    split: str
    members: tuple[Path, ...]
    images: Validation
    scoring: Scoring
    class_names: tuple[str, ...]
    position_class: str | None
    settings: Settings


@dataclass(frozen=True)
class ScoreRow:
    """One line of ``scores.csv``.

    Attributes:
        stage, model, split: as in ``EvaluateJob``.
        score: the main score of the run's ``Scoring``, 0 to 1.
        details: every score of ``Scoring.table``, the loss and, where a class marks positions, "mcce": the mean over
            images of the sum over cell types of |true - predicted count| (equation A1).
        image_scores: the main score of each image that it was scored on; not in ``scores.csv``.
        image_rows: which rows of the stack these are; None: all, in their order.
    """

    stage: str
    model: str
    split: str
    score: float
    details: dict[str, float]
    image_scores: tuple[float, ...] = ()
    image_rows: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ImageScores:
    """The main scores of test or validation images by every model.

    Attributes:
        names: of the images, in the stack's order; of tiles, that of the image that they are cut from.
        scores: by model, such as "gen-1/3" or "base/ensemble", one an image; nan for those that do not judge it.
    """

    names: tuple[str, ...]
    scores: dict[str, tuple[float, ...]]

    def by_image(self, model: str) -> list[float]:
        """Scores of a model, one an image, in the order of the names: of tiles, their mean; empty: it has none."""
        if model not in self.scores:
            return []
        names, rows = np.unique(self.names, return_inverse=True)
        sums = np.bincount(rows, self.scores[model], minlength=len(names))
        return list((sums / np.bincount(rows, minlength=len(names))).tolist())


def evaluate_models(job: EvaluateJob, report: Report = ignore) -> ScoreRow:
    """Score the models of a job."""
    device = resolve_device(job.settings.device)
    reached = evaluate(
        [load_model(path).to(device) for path in job.members],
        job.images,
        scoring=job.scoring,
        num_classes=len(job.class_names),
        settings=job.settings,
        loss=loss_of(job.settings, job.scoring.task),
        cells=cell_channels(job.class_names, job.position_class),
    )
    details = job.scoring.table(reached.counts, job.class_names)
    details["loss"] = reached.loss
    if reached.cell_count_error is not None:
        details["mcce"] = reached.cell_count_error
    by_image = job.scoring.by_image(reached.counts)
    report(1)
    return ScoreRow(job.stage, job.model, job.split, reached.score, details, tuple(by_image.tolist()), job.images.rows)


def to_csv(rows: Sequence[ScoreRow]) -> str:
    """Write rows as a table with a column for each score."""
    names = list(dict.fromkeys(name for row in rows for name in row.details))
    lines = (
        (row.stage, row.model, row.split, repr(row.score), *(row.details.get(name, "") for name in names))
        for row in rows
    )
    return csv_text(("stage", "model", "split", "score", *names), lines)


def from_csv(text: str) -> list[ScoreRow]:
    """Read what ``to_csv`` wrote; ``image_scores`` stay empty."""
    rows = []
    for line in csv.DictReader(io.StringIO(text)):
        stage, model, split, score = (line.pop(name) for name in ("stage", "model", "split", "score"))
        rows.append(
            ScoreRow(stage, model, split, float(score), {name: float(value) for name, value in line.items() if value})
        )
    return rows


def image_scores_csv(names: Sequence[str], rows: Sequence[ScoreRow], *, split: str = "test") -> str:
    """Write main scores: a line an image, a column a model, such as "gen-1/3"; empty where it does not judge the image.

    Args:
        names: of the stack's images; those that no model was scored on are left out.
        rows: with the scores of their images; those of other splits are left out.
        split: "test" or "val".
    """
    scored = [row for row in rows if row.split == split]
    columns = [
        dict(zip(range(len(names)) if row.image_rows is None else row.image_rows, row.image_scores, strict=True))
        for row in scored
    ]
    lines = [
        (name, *(column.get(place, "") for column in columns))
        for place, name in enumerate(names)
        if any(place in column for column in columns)
    ]
    return csv_text(("name", *(f"{row.stage}/{row.model}" for row in scored)), lines)


def image_scores_from_csv(text: str) -> ImageScores:
    """Read what ``image_scores_csv`` wrote.

    Raises:
        ValueError, IndexError: it holds something else.
    """
    (_, *models), *lines = csv.reader(io.StringIO(text))
    return ImageScores(
        names=tuple(line[0] for line in lines),
        scores={model: tuple(float(line[column] or "nan") for line in lines) for column, model in enumerate(models, 1)},
    )
