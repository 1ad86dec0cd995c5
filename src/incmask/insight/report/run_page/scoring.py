"""Scores of single images by the models of a run: what intervals are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from torch import nn

from incmask.base.device import resolve_device
from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE, StageRecord
from incmask.experiment.student import Student
from incmask.insight.report.differences import (
    Estimate,
    by_subject,
    mean_over,
    ratio_over_subjects,
    unpaired_difference,
)
from incmask.insight.report.statistics import DIFFERENCE_BOUNDS, Floats
from incmask.method.labels import labels_of
from incmask.method.metrics import Counts, counted_classes, dice, iou, pixel_accuracy
from incmask.nets.spec import load_model

Kind = Literal["test", "val", "split", "folds", "same"]
"""Images that chose nothing ("test"), or those that chose epochs and models: a part of their own, some of the labelled
images, set aside, each labelled image by the models that were trained without it, or the one that trained, too."""


@dataclass(frozen=True)
class ModelScores:
    """Main scores of single models on single images.

    Attributes:
        names: of N images.
        scores: (M, N) of M models, 0 to 1.
    """

    names: tuple[str, ...]
    scores: Floats


@dataclass(frozen=True)
class ScoreLine:
    """A score of the same models together, averaged over images.

    Attributes:
        name: such as "IoU", or a class.
        mean: over images, 0 to 1.
        low, high: ends of its 95 % interval, subjects being what is drawn; nan for too few.
        num_images: that the mean is over; for a class, those in whose main score it counts.
        num_subjects: of these images.
    """

    name: str
    mean: float
    low: float
    high: float
    num_images: int
    num_subjects: int


def kind_of_held_out(record: RunRecord) -> Kind:
    """Tell how the images that chose were come by."""
    if record.part("val"):
        return "val"
    if len(record.part("labelled")) == 1:
        return "same"
    return "folds" if len(record.image_folds) > 1 else "split"


def part_name(kind: Kind) -> str:
    """Name the part that images are of."""
    return {"test": "test", "val": "validation"}.get(kind, "labelled")


def subjects_of(record: RunRecord, kind: Kind) -> dict[str, str]:
    """Give the subject of each image by name."""
    return record.groups(kind if kind in ("test", "val") else "labelled")


def scores_of_models(record: RunRecord, stage: StageRecord, kind: Kind) -> list[ModelScores]:
    """Give the scores of each model of a stage alone: a table a part of the images, of the models that may judge it.

    Of folds these are the models that were trained without it.
    """
    stored = record.image_scores if kind == "test" else record.validation_scores
    assert stored is not None
    num_parts = len(record.image_folds) if kind == "folds" else 1
    parts = []
    for fold in range(num_parts):
        models = [f"{stage.name}/{student.number}" for student in _judging(stage, kind, fold)]
        scores = np.array([stored.scores[model] for model in models])
        rows = np.flatnonzero(~np.isnan(scores).any(0))
        parts.append(ModelScores(tuple(stored.names[row] for row in rows), scores[:, rows]))
    return parts


def _judging(stage: StageRecord, kind: Kind, fold: int) -> list[Student]:
    """Give the models that were not trained on the images of a fold."""
    return [student for student in stage.students if kind != "folds" or student.fold == fold]


def load_members(record: RunRecord, members: Sequence[Student]) -> list[nn.Module]:
    """Load models to where they predict: this may be another machine than the run's.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    device = resolve_device("cpu" if record.settings.device == "cpu" else "auto")
    return [load_model(member.model).to(device) for member in members]


def score_lines(
    record: RunRecord, counts: Counts, names: Sequence[str], subjects: Mapping[str, str]
) -> list[ScoreLine]:
    """Average every score over images, with its interval: the main one, Dice or the classes' IoU, pixels.

    Args:
        record: of the run.
        counts: of whole images.
        names: of these.
        subjects: of the images by name.
    """
    scoring = record.scoring
    lines = [_line(scoring.full_name, names, scoring.by_image(counts), subjects)]
    if labels_of(record.task).is_one_class:
        lines.append(_line("Dice", names, dice(counts)[:, 0], subjects))
    else:
        by_class, counted = iou(counts, empty=scoring.empty), counted_classes(counts, classes=scoring.classes)
        for index, name in enumerate(record.class_names):
            rows = np.flatnonzero(counted[:, index]).tolist()
            if rows:
                lines.append(_line(f"IoU of {name}", [names[row] for row in rows], by_class[rows, index], subjects))
    return [*lines, _line("share of right pixels", names, pixel_accuracy(counts, empty=scoring.empty), subjects)]


def difference_of(
    with_them: Sequence[ModelScores], without: Sequence[ModelScores], subjects: Mapping[str, str]
) -> Estimate:
    """Compare two stages by the means of their models.

    Each fold has models and images of its own, so that folds are what is drawn where there are several.

    Args:
        with_them, without: of the same parts of images, one or more.
        subjects: of the images by name.
    """
    ours, theirs = (_over_subjects(parts, subjects) for parts in (with_them, without))
    if len(ours) > 1:
        return mean_over("fold", [a.mean() - b.mean() for a, b in zip(ours, theirs, strict=True)])
    return unpaired_difference(ours[0], theirs[0])


def difference_of_ensembles(
    record: RunRecord, with_them: StageRecord, without: StageRecord, kind: Kind, subjects: Mapping[str, str]
) -> Estimate | None:
    """Compare the members of two stages together, as they were trained: only subjects are drawn.

    None where no images were scored by them: each fold has members of its own.
    """
    stored = record.image_scores if kind == "test" else record.validation_scores
    columns = [f"{stage.name}/{ENSEMBLE}" for stage in (with_them, without)]
    if stored is None or kind == "folds" or not all(column in stored.scores for column in columns):
        return None
    ours, theirs = (np.asarray(stored.scores[column]) for column in columns)
    rows = np.flatnonzero(~np.isnan(ours + theirs))
    groups = [subjects[stored.names[row]] for row in rows]
    if not len(rows):
        return None
    # The mean over images, as scores.csv has it.
    return replace(ratio_over_subjects((ours - theirs)[rows], np.ones(len(rows)), groups), bounds=DIFFERENCE_BOUNDS)


def mean_of(scores: Sequence[ModelScores], subjects: Mapping[str, str]) -> float:
    """Average the scores of one side as ``difference_of`` does."""
    return float(np.mean([part.mean() for part in _over_subjects(scores, subjects)]))


def _over_subjects(parts: Sequence[ModelScores], subjects: Mapping[str, str]) -> list[Floats]:
    return [by_subject(part.scores, [subjects[name] for name in part.names]) for part in parts]


def _line(name: str, names: Sequence[str], scores: Floats, subjects: Mapping[str, str]) -> ScoreLine:
    found = ratio_over_subjects(scores, np.ones(len(scores)), [subjects[image] for image in names])
    return ScoreLine(name, found.mean, *found.interval, num_images=len(names), num_subjects=found.num("subject"))
