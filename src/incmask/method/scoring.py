"""Which score of an image counts, and what it is called (paper, section 2.8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from incmask.base.config import MaskedAnswers, MeanOver, Settings, Task
from incmask.base.errors import fail
from incmask.method.instances import position_channel
from incmask.method.labels import labels_of
from incmask.method.labels.base import Label, Probability
from incmask.method.metrics import (
    ByImage,
    Counts,
    count,
    counted_classes,
    dataset_iou,
    dataset_miou,
    dice,
    iou,
    mean_of_classes,
    miou,
    pixel_accuracy,
)
from incmask.method.value_scores import Errors, main_scores, mean_of, measure, value_table
from incmask.method.values import ValueRange

Tally = Counts | Errors
"""What scores are computed from: pixels of classes, or errors of numbers."""


def join_tallies(parts: Sequence[Tally]) -> Tally:
    """Chain tallies of the same kind, one or more.

    Examples:
        >>> one = Scoring("binary").tally(np.ones((1, 2), int), np.ones((1, 2), int), num_classes=1)
        >>> len(join_tallies([one, one]).actual)
        2
    """
    if isinstance(parts[0], Errors):
        return Errors.join([part for part in parts if isinstance(part, Errors)])
    return Counts.join([part for part in parts if isinstance(part, Counts)])


_FULL_NAMES: dict[MeanOver, str] = {
    "found": "{classes} in truth or prediction",
    "true": "{classes} in truth",
    "all": "all {classes}",
}


@dataclass(frozen=True)
class Scoring:
    """How images are scored: what counts in choices and verdicts, and its name.

    Attributes:
        task: what the labels mean.
        classes: that an image's mIoU averages: those "found" in its truth or prediction, so that what is invented
            counts 0; the "true" ones, in its truth alone; or "all".
        empty: score of a class that is neither in the truth nor in the prediction, 0 or 1.
        position: number of the class that marks positions, which is no part of the main score (HeLa: mIoU_ad); None:
            there is none.
        masked: what becomes of a pixel that networks call masked: the "next_best" class counts, or it is "wrong".
        target: the range of targets that are numbers, as networks learn them; None: there are classes.
    """

    task: Task
    classes: MeanOver = "found"
    empty: float = 1.0
    position: int | None = None
    masked: MaskedAnswers = "next_best"
    target: ValueRange | None = None

    @property
    def name(self) -> str:
        """Of the main score: "IoU", "mIoU" or, with a class that marks positions, "mIoU_ad"; "SSIM", "δ<1.25"."""
        return labels_of(self.task).score_name + ("" if self.position is None else "_ad")

    @property
    def full_name(self) -> str:
        """The same with what it averages, as pages name it."""
        if labels_of(self.task).is_one_class or self.target is not None:
            return self.name
        classes = "classes" if self.position is None else "classes but position"
        return f"{self.name} ({_FULL_NAMES[self.classes].format(classes=classes)})"

    @property
    def note(self) -> str:
        """What a reader has to know beside the score; empty where there is nothing."""
        if not labels_of(self.task).is_exclusive:
            return ""
        if self.masked == "wrong":
            return "Where networks answer “masked”, as learnt from disputed pixels, they are wrong."
        return (
            "Where networks answer “masked”, as learnt from disputed pixels, their next best class counts; as "
            "published it would be wrong (masked_answers)."
        )

    def decode(self, probability: Probability) -> Label:
        """Give the labels that are scored: ``Labels.decode`` with ``masked``; numbers in their unit."""
        return self.in_unit(labels_of(self.task).decode(probability, masked=self.masked))

    def in_unit(self, label: Label) -> Label:
        """Give labels as people know them: numbers in their own unit, classes as they are."""
        return label if self.target is None else self.target.undone(label)

    def tally(self, prediction: Label, truth: Label, *, num_classes: int, depth: int | None = None) -> Tally:
        """Compare labels with the true ones, image by image: ``count``, or ``measure`` where they are numbers.

        Args:
            prediction, truth: of N images, or of sheets.
            num_classes: in them.
            depth: slices of sheets; None: they are images.

        Examples:
            >>> scoring, numbers = Scoring("depth", target=ValueRange(0, 4)), np.ones((1, 1, 1))
            >>> scoring.tally(numbers, numbers, num_classes=1).close
            array([1.])
        """
        if self.target is not None:
            return measure(prediction, truth, span=self.target.span, depth=depth)
        return count(prediction, truth, task=self.task, num_classes=num_classes)

    def by_image(self, counts: Tally) -> ByImage:
        """Give each image's main score (N,), 0 to 1: the IoU of the foreground (binary), else the mIoU.

        Of numbers the structural similarity, or of depth the share of close pixels; nan for an image without a target.

        Examples:
            >>> from incmask.method.metrics import count
            >>> truth, prediction = np.array([[[0, 0, 1, 1]]]), np.array([[[0, 0, 1, 2]]])
            >>> counts = count(prediction, truth, task="multiclass", num_classes=3)
            >>> [Scoring("multiclass", classes).by_image(counts).tolist() for classes in ("found", "true")]
            [[0.5], [0.75]]
        """
        if isinstance(counts, Errors):
            return main_scores(counts, self.task)
        if labels_of(self.task).is_one_class:
            return iou(counts, empty=self.empty)[:, 0]
        return miou(self._without_position(counts), classes=self.classes, empty=self.empty)

    def mean(self, counts: Tally) -> float:
        """Give the main score that models are chosen by: the mean over images."""
        if isinstance(counts, Errors):
            return mean_of(self.by_image(counts))
        return float(self.by_image(counts).mean())

    def table(self, counts: Tally, class_names: Sequence[str]) -> dict[str, float]:
        """Make the table of scores; all but ``num_empty`` are in 0..1 and, unless said, means over images.

        - binary: ``iou``, ``dice``, ``mpa`` (pixel accuracy), ``dataset_iou``, ``num_empty`` (images empty in both).
        - multilabel and multiclass: ``miou``; ``iou/<class>`` over the images in whose mean the class is, left out
          where it is in none; ``dice`` of the classes in the mean, too; ``mpa``; ``dataset_miou``; with a class that
          marks positions also ``miou_ad``, the ``miou`` without it (HeLa: alive and dead), which is the main score.
        - numbers: ``value_table``.

        Args:
            counts: of one or more images.
            class_names: K names; binary: 1.

        Raises:
            IncmaskError: no image, or a number of names that differs from the classes.

        Examples:
            >>> from incmask.method.metrics import count
            >>> counts = count(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]]), task="binary", num_classes=1)
            >>> Scoring("binary").table(counts, ["cell"])["iou"]
            0.5
        """
        if isinstance(counts, Errors):
            return value_table(counts, self.task)
        num_images, num_classes = counts.actual.shape
        if num_images == 0:
            raise fail("scores", "no images were counted", "score one or more images")
        if len(class_names) != num_classes:
            raise fail("scores", f"{len(class_names)} class names for {num_classes} classes", "name every class once")
        accuracy = float(pixel_accuracy(counts, empty=self.empty).mean())
        by_class = iou(counts, empty=self.empty)
        if labels_of(self.task).is_one_class:
            return {
                "iou": float(by_class.mean()),
                "dice": float(dice(counts).mean()),
                "mpa": accuracy,
                "dataset_iou": float(dataset_iou(counts, empty=self.empty)[0]),
                "num_empty": float((counts.union == 0).sum()),
            }
        counted = counted_classes(counts, classes=self.classes)
        table = {"miou": float(miou(counts, classes=self.classes, empty=self.empty).mean())}
        if self.position is not None:
            table["miou_ad"] = self.mean(counts)
        for index, name in enumerate(class_names):
            if (images := counted[:, index]).any():
                table[f"iou/{name}"] = float(by_class[images, index].mean())
        dice_by_class = dice(counts)
        table["dice"] = float(mean_of_classes(dice_by_class, counted, otherwise=dice_by_class.mean(axis=1)).mean())
        return table | {"mpa": accuracy, "dataset_miou": dataset_miou(counts, empty=self.empty)}

    def _without_position(self, counts: Counts) -> Counts:
        if self.position is None:
            return counts
        others = np.arange(counts.actual.shape[1]) != self.position
        return replace(
            counts,
            intersection=counts.intersection[:, others],
            predicted=counts.predicted[:, others],
            actual=counts.actual[:, others],
        )


def scoring_of(
    settings: Settings,
    task: Task,
    *,
    class_names: Sequence[str] = (),
    position_class: str | None = None,
    target: ValueRange | None = None,
) -> Scoring:
    """Give the scoring that is meant by the settings; ``auto`` is the paper's: all for multilabel, else the true ones.

    Args:
        settings: ``miou_classes``, ``empty_iou`` and ``masked_answers``.
        task: what the labels mean.
        class_names: of all classes.
        position_class: the class that marks positions; without another class beside it, it is scored like any.
        target: the range of targets that are numbers.

    Raises:
        IncmaskError: no class is named ``position_class``.

    Examples:
        >>> names = ["alive", "dead", "position"]
        >>> scoring_of(Settings(), "multilabel", class_names=names, position_class="position").full_name
        'mIoU_ad (classes but position in truth or prediction)'
        >>> scoring_of(Settings(miou_classes="auto"), "multiclass").full_name
        'mIoU (classes in truth)'
    """
    position = position_channel(class_names, position_class) if labels_of(task).is_layered else None
    return Scoring(
        task,
        labels_of(task).paper_miou_classes if settings.miou_classes == "auto" else settings.miou_classes,
        settings.empty_iou,
        position if len(class_names) > 1 else None,
        settings.masked_answers,
        target,
    )
