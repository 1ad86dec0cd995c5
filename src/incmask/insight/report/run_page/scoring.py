"""Scores of single images by the models of a run, on its own stacks: what intervals are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import nn

from incmask.base.device import resolve_device
from incmask.data.stack import Stack
from incmask.experiment.paths import stack_folder
from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import StageRecord
from incmask.experiment.student import Student
from incmask.insight.report.statistics import Difference, mean_with_interval, paired_bootstrap
from incmask.method.labels import labels_of
from incmask.method.losses import loss_of
from incmask.method.metrics import Counts, counted_classes, dice, iou, pixel_accuracy
from incmask.nets.spec import load_model
from incmask.training.validation import Validation, evaluate

Kind = Literal["test", "val", "split", "folds", "same"]
"""Images that chose nothing ("test"), or those that chose epochs and models: a part of their own, some of the labelled
images, set aside, each labelled image by the models that were trained without it, or the one that trained, too."""

_SEED = 0
"""Of the resamples: the same page for the same run."""


@dataclass(frozen=True)
class ScoredPart:
    """Labelled images to score on.

    Attributes:
        images: rows of a stack.
        names: the image of each of these rows; tiles of one image have one name.
    """

    images: Validation
    names: tuple[str, ...]


@dataclass(frozen=True)
class HeldOut:
    """Images to judge models by.

    Attributes:
        kind: what they are for.
        parts: one, or one a fold.
    """

    kind: Kind
    parts: tuple[ScoredPart, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The image of each row of all parts, one after the other."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def num_images(self) -> int:
        """Different images."""
        return len(set(self.names))


@dataclass(frozen=True)
class ScoreLine:
    """A score, averaged over images.

    Attributes:
        name: such as "IoU", or a class.
        mean: over images, 0 to 1.
        low, high: ends of its 95 % bootstrap interval; nan for a single image.
        num_images: that the mean is over; for a class, those in whose main score it counts.
    """

    name: str
    mean: float
    low: float
    high: float
    num_images: int


def has_stacks(record: RunRecord) -> bool:
    """Tell whether the images at the networks' size are still in the run folder."""
    parts = [part for part in ("labelled", "val", "test") if record.part(part)]
    return all(Stack(stack_folder(record.root, part), ()).images.exists() for part in parts)


def held_out(record: RunRecord) -> HeldOut:
    """Tell which images chose, as the run did."""
    if record.part("val"):
        return whole_part(record, "val")
    stack = record.stack("labelled")
    parts = tuple(
        ScoredPart(Validation(stack.images, stack.labels, rows), tuple(stack.names[row] for row in rows))
        for rows in (fold.validation or () for fold in record.folds)
    )
    if len(set(stack.names)) == 1:
        return HeldOut("same", parts)
    return HeldOut("folds" if len(record.folds) > 1 else "split", parts)


def whole_part(record: RunRecord, part: Literal["val", "test"]) -> HeldOut:
    """Give all images of a part."""
    stack = record.stack(part)
    return HeldOut(part, (ScoredPart(Validation(stack.images, stack.labels), stack.names),))


def validation_scores(record: RunRecord, stage: StageRecord, held: HeldOut) -> dict[str, float]:
    """Score each held-out image by a stage: by its members together, or by those that were trained without it.

    Returns:
        The main score by the image's name; tiles of an image are averaged.
    """
    found: dict[str, float] = {}
    for fold, part in enumerate(held.parts):
        if held.kind == "folds":
            apart = [[student] for student in stage.students if student.fold == fold]
        else:
            apart = [list(stage.members)]
        scores = [record.scoring.by_image(count_pixels(record, members, part.images)) for members in apart]
        found |= by_image(part.names, np.mean(scores, axis=0).tolist())
    return found


def count_pixels(record: RunRecord, members: Sequence[Student], images: Validation) -> Counts:
    """Count what models together predict on labelled images.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    return evaluate(
        load_members(record, members),
        images,
        scoring=record.scoring,
        num_classes=len(record.class_names),
        settings=record.settings,
        loss=loss_of(record.settings, record.task),
    ).counts


def load_members(record: RunRecord, members: Sequence[Student]) -> list[nn.Module]:
    """Load models to where they are scored: this may be another machine than the run's."""
    device = resolve_device("cpu" if record.settings.device == "cpu" else "auto")
    return [load_model(member.model).to(device) for member in members]


def score_lines(record: RunRecord, counts: Counts, names: Sequence[str]) -> list[ScoreLine]:
    """Average every score over images, with its interval: the main one, Dice or the classes' IoU, pixels."""
    scoring = record.scoring
    lines = [_line(scoring.full_name, names, scoring.by_image(counts))]
    if labels_of(record.task).is_one_class:
        lines.append(_line("Dice", names, dice(counts)[:, 0]))
    else:
        by_class, counted = iou(counts, empty=scoring.empty), counted_classes(counts, classes=scoring.classes)
        for index, name in enumerate(record.class_names):
            rows = np.flatnonzero(counted[:, index]).tolist()
            if rows:
                lines.append(_line(f"IoU of {name}", [names[row] for row in rows], by_class[rows, index]))
    return [*lines, _line("share of right pixels", names, pixel_accuracy(counts, empty=scoring.empty))]


def by_image(names: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    """Average the scores of tiles (N,) that are cut from one image."""
    tiles: dict[str, list[float]] = {}
    for name, score in zip(names, scores, strict=True):
        tiles.setdefault(name, []).append(score)
    return {name: float(np.mean(values)) for name, values in tiles.items()}


def difference_of(first: Mapping[str, float], second: Mapping[str, float]) -> Difference:
    """Compare two scores of the same images, by name: first minus second."""
    return paired_bootstrap(list(first.values()), [second[name] for name in first], seed=_SEED)


def _line(name: str, names: Sequence[str], scores: np.ndarray) -> ScoreLine:
    values = list(by_image(names, scores.tolist()).values())
    found = mean_with_interval(values, seed=_SEED)
    low, high = (found.low, found.high) if len(values) > 1 else (np.nan, np.nan)
    return ScoreLine(name, found.mean, low, high, len(values))
