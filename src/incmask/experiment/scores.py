"""Scores of models and ensembles, as rows of a table."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from incmask.base.config import Settings
from incmask.base.described import callable_by_job
from incmask.base.progress import Report, ignore
from incmask.base.tables import csv_lines, csv_text
from incmask.data.dataset import Dataset, Item
from incmask.data.images.big_images import ArrayRows
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.volumes.patches import grid_of
from incmask.experiment.image_objects import count_objects
from incmask.experiment.volumes import distances_of, mean_distances
from incmask.method.cells import mean_cell_count_error
from incmask.method.instances import ObjectChannels, object_channels
from incmask.method.metrics import Counts
from incmask.method.object_scores import ObjectMatch, object_details
from incmask.method.scoring import Scoring, Tally, join_tallies
from incmask.method.values import spread_rule_of
from incmask.nets.spec import load_model
from incmask.prediction.ensemble import About, Ensemble
from incmask.prediction.files import ROWS_PIXELS
from incmask.prediction.values import AboutValues


@dataclass(frozen=True)
class EvaluateJob:
    """Models to score together on whole images at their own size, in any process.

    Attributes:
        stage: "base" or "gen-1" and so on.
        model: the student's number from 1, or "ensemble".
        split: "val" or "test".
        members: model files; the mean of their probabilities is scored.
        items: labelled images to score on.
        dataset: how their files are read; its own images are of no account.
        size: height and width of the networks' input.
        scoring: what the models predict, and how that is scored.
        settings: device, precision, and how images come to the networks' size.
    """

    stage: str
    model: str
    split: str
    members: tuple[Path, ...]
    items: tuple[Item, ...]
    dataset: Dataset
    size: tuple[int, int]
    scoring: Scoring
    settings: Settings


@dataclass(frozen=True)
class ScoreRow:
    """One line of ``scores.csv``.

    Attributes:
        stage, model, split: as in ``EvaluateJob``.
        score: the main score of the run's ``Scoring``, 0 to 1.
        details: every score of ``Scoring.table`` and, where a class marks positions, "mcce": the mean over images of
            the sum over cell types of |true - predicted count| (equation A1), and ``object_details``; of volumes also
            ``mean_distances``.
        image_scores: the main score of each image that it was scored on; not in ``scores.csv``.
        names: of these images.
        counts: of their pixels; None where targets are numbers.
        objects: of these images; none where no class marks centres.
    """

    stage: str
    model: str
    split: str
    score: float
    details: dict[str, float]
    image_scores: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    counts: Counts | None = field(default=None, compare=False)
    objects: tuple[ObjectMatch, ...] = ()


@dataclass(frozen=True)
class ImageScores:
    """The main scores of test or validation images by every model.

    Attributes:
        names: of the images.
        scores: by model, such as "gen-1/3" or "base/ensemble", one an image; nan for those that do not judge it.
    """

    names: tuple[str, ...]
    scores: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class ImageCounts:
    """The pixels of images as one model, or several together, see them.

    Attributes:
        names: of N images.
        counts: of each.
    """

    names: tuple[str, ...]
    counts: Counts


def about_of(dataset: Dataset, size: tuple[int, int], settings: Settings) -> About:
    """Tell what models need to know that were trained on a data set at a size."""
    return About(
        task=dataset.task,
        classes=dataset.classes,
        channels=dataset.channels,
        intensity=dataset.intensity,
        size=size,
        fit=settings.fit,
        precision=settings.precision,
        position_class=dataset.position_class,
        values=None if dataset.target is None else AboutValues(dataset.target, spread_rule_of(settings)),
        volumes=dataset.volumes,
    )


@callable_by_job
def evaluate_models(job: EvaluateJob, report: Report = ignore) -> ScoreRow:
    """Score the models of a job.

    Raises:
        IncmaskError: an image or mask cannot be read.
    """
    names = [each.name for each in job.dataset.classes]
    channels = object_channels(names, job.dataset.position_class)
    about, masked = about_of(job.dataset, job.size, job.settings), job.scoring.masked
    networks = [load_model(path) for path in job.members]
    ensemble = Ensemble(networks, about, device=job.settings.device, masked=masked)
    found, distances = [], []
    for item, label in _predicted(ensemble, job):
        truth = read_label(item, job.dataset)
        depth = None if item.grid is None else item.grid.shape[0]
        found.append(_count(label, truth, job, channels, depth=depth))
        if item.grid is not None and job.dataset.target is None:
            distances.append(distances_of(label, truth, item.grid, task=job.dataset.task, class_names=names))
    counts = join_tallies([each for each, _, _ in found])
    details = job.scoring.table(counts, names)
    objects = tuple(match for *_, match in found if match is not None)
    if channels is not None:
        details["mcce"] = float(np.mean([error for _, error, _ in found]))
        details |= object_details(objects)
    if distances:
        details |= mean_distances(distances)
    report(1)
    return ScoreRow(
        stage=job.stage,
        model=job.model,
        split=job.split,
        score=job.scoring.mean(counts),
        details=details,
        image_scores=tuple(job.scoring.by_image(counts).tolist()),
        names=tuple(item.name for item in job.items),
        counts=counts if isinstance(counts, Counts) else None,
        objects=objects,
    )


def _predicted(ensemble: Ensemble, job: EvaluateJob) -> Iterator[tuple[Item, np.ndarray]]:
    """Give each image with its label as the models together see it, at its own size."""
    for items in _batches(job.items):
        if job.dataset.volumes is not None:
            yield from ((item, _volume_label(ensemble, item, job.dataset)) for item in items)
            continue
        images = [
            read_network_image(item.image, channels=job.dataset.channels, intensity=job.dataset.intensity)
            for item in items
        ]
        if items[0].height * items[0].width >= ROWS_PIXELS:
            parts = [each.prediction.label for each in ensemble.predict_rows(ArrayRows(images[0]))]
            yield items[0], np.concatenate(parts)
            continue
        for item, prediction in zip(items, ensemble.predict(images), strict=True):
            yield item, prediction.label


def _volume_label(ensemble: Ensemble, item: Item, dataset: Dataset) -> np.ndarray:
    sheet = read_network_image(item.image, channels=dataset.channels, intensity=dataset.intensity)
    return ensemble.predict_sheet(sheet, grid_of(item), where=item.image).label


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Give images that are predicted at a time, in their order: as many as have the pixels of one large image."""
    batch: list[Item] = []
    pixels = 0
    for item in items:
        pixels += item.height * item.width
        if batch and pixels >= ROWS_PIXELS:
            yield batch
            batch, pixels = [], item.height * item.width
        batch.append(item)
    if batch:
        yield batch


def _count(
    label: np.ndarray, truth: np.ndarray, job: EvaluateJob, channels: ObjectChannels | None, *, depth: int | None
) -> tuple[Tally, float, ObjectMatch | None]:
    """Count pixels, the error in cells, and objects."""
    counts = job.scoring.tally(label[None], truth[None], num_classes=len(job.dataset.classes), depth=depth)
    if channels is None:
        return counts, 0.0, None
    centre, types = channels.centre, channels.bodies
    error = mean_cell_count_error(label[None], truth[None], position=centre, cell_classes=types)
    return counts, error, count_objects(label, truth, channels)


def to_csv(rows: Sequence[ScoreRow]) -> str:
    """Write rows as a table with a column for each score."""
    names = list(dict.fromkeys(name for row in rows for name in row.details))
    lines = (
        (row.stage, row.model, row.split, repr(row.score), *(row.details.get(name, "") for name in names))
        for row in rows
    )
    return csv_text(("stage", "model", "split", "score", *names), lines)


def from_csv(text: str) -> list[ScoreRow]:
    """Read what ``to_csv`` wrote; what is known of single images stays empty."""
    rows = []
    for line in csv.DictReader(io.StringIO(text)):
        stage, model, split, score = (line.pop(name) for name in ("stage", "model", "split", "score"))
        rows.append(
            ScoreRow(stage, model, split, float(score), {name: float(value) for name, value in line.items() if value})
        )
    return rows


def image_scores_csv(rows: Sequence[ScoreRow], *, split: str = "test") -> str:
    """Write main scores: a line an image, a column a model, such as "gen-1/3"; empty where it does not judge the image.

    Args:
        rows: with the scores of their images; those of other splits are left out.
        split: "test" or "val".
    """
    scored = [row for row in rows if row.split == split]
    columns = [dict(zip(row.names, row.image_scores, strict=True)) for row in scored]
    names = dict.fromkeys(name for row in scored for name in row.names)
    lines = [(name, *(column.get(name, "") for column in columns)) for name in names]
    return csv_text(("name", *(f"{row.stage}/{row.model}" for row in scored)), lines)


_BY_CLASS = ("intersection", "predicted", "actual")


def image_counts_csv(rows: Sequence[ScoreRow], class_names: Sequence[str]) -> str:
    """Write the pixels that models see right: a line a model and image, columns for each class."""
    lines = [
        (row.stage, row.model, row.split, name, *_numbers(row.counts, place))
        for row in rows
        if row.counts is not None
        for place, name in enumerate(row.names)
    ]
    by_class = (f"{what}/{name}" for what in _BY_CLASS for name in class_names)
    return csv_text(("stage", "model", "split", "name", "correct", "valid", *by_class), lines)


def _numbers(counts: Counts, place: int) -> list[int]:
    by_class = np.concatenate([getattr(counts, what)[place] for what in _BY_CLASS])
    return [int(counts.correct[place]), int(counts.valid[place]), *by_class.tolist()]


def image_counts_from_csv(text: str, *, stage: str, model: str, split: str) -> ImageCounts:
    """Read of what ``image_counts_csv`` wrote the lines of one model, or of several together.

    Raises:
        ValueError, IndexError: it holds something else.
    """
    header, *lines = csv_lines(text)
    own = [line for line in lines if line[:3] == [stage, model, split]]
    numbers = np.array([line[4:] for line in own], np.int64).reshape(len(own), len(header) - 4)
    parts = dict(zip(_BY_CLASS, np.split(numbers[:, 2:], len(_BY_CLASS), axis=1), strict=True))
    return ImageCounts(tuple(line[3] for line in own), Counts(correct=numbers[:, 0], valid=numbers[:, 1], **parts))


def image_scores_from_csv(text: str) -> ImageScores:
    """Read what ``image_scores_csv`` wrote.

    Raises:
        ValueError, IndexError: it holds something else.
    """
    (_, *models), *lines = csv_lines(text)
    return ImageScores(
        names=tuple(line[0] for line in lines),
        scores={model: tuple(float(line[column] or "nan") for line in lines) for column, model in enumerate(models, 1)},
    )
