"""Scores (paper, section 2.8 and appendix A.1): first count pixels per image and class, then apply formulas."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import IGNORED, Task
from incmask.base.errors import fail
from incmask.method.labels import labels_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Label = Annotated[np.ndarray, "n *rest"]
LabelStack = Annotated[np.ndarray, "n *rest"]
ByImage = Annotated[Floats, "n"]
ByClass = Annotated[Floats, "n k"]


@dataclass(frozen=True)
class Counts:
    """Pixel counts of N images and K classes, without the ignored pixels; all int64.

    Attributes:
        intersection: (N, K) predicted and actual.
        predicted: (N, K).
        actual: (N, K).
        correct: (N,) pixels predicted right; multilabel: pixels of channels.
        valid: (N,) pixels not ignored; multilabel: pixels of channels.
    """

    intersection: Annotated[Ints, "n k"]
    predicted: Annotated[Ints, "n k"]
    actual: Annotated[Ints, "n k"]
    correct: Annotated[Ints, "n"]
    valid: Annotated[Ints, "n"]

    @staticmethod
    def join(parts: Sequence["Counts"]) -> "Counts":
        """Chain counts of the same classes, one or more, so that an evaluation can go on in batches.

        Examples:
            >>> one = count(np.ones((1, 2, 2), bool), np.ones((1, 2, 2), bool), task="binary", num_classes=1)
            >>> Counts.join([one, one]).intersection.tolist()
            [[4], [4]]
        """
        return Counts(
            intersection=np.concatenate([part.intersection for part in parts]),
            predicted=np.concatenate([part.predicted for part in parts]),
            actual=np.concatenate([part.actual for part in parts]),
            correct=np.concatenate([part.correct for part in parts]),
            valid=np.concatenate([part.valid for part in parts]),
        )

    @property
    def union(self) -> Ints:
        """(N, K) predicted or actual."""
        return self.predicted + self.actual - self.intersection


def count(
    prediction: Annotated[np.ndarray, "n *rest"],
    truth: Annotated[np.ndarray, "n *rest"],
    *,
    task: Task,
    num_classes: int,
) -> Counts:
    """Count pixels per image and class.

    Args:
        prediction: hard labels, integers or bool. Binary 0/1 (N, *spatial); multilabel 0/1 (N, *spatial, K);
            multiclass ids 0..K-1 (N, *spatial). Any other value predicts nothing and is wrong.
        truth: the same, and ``IGNORED`` where a pixel is to be left out.
        task: how to read both.
        num_classes: K in 1..255; binary: 1, the foreground.

    Raises:
        IncmaskError: shapes that do not fit, labels that are no integers, or another value in ``truth``.

    Examples:
        >>> counts = count(np.array([[[1, 1, 0, 0]]]), np.array([[[1, 0, 0, 255]]]), task="binary", num_classes=1)
        >>> counts.intersection.tolist(), counts.predicted.tolist(), counts.actual.tolist(), counts.valid.tolist()
        ([[1]], [[2]], [[1]], [3])
    """
    where = "count(prediction, truth)"
    labels = labels_of(task, where)
    if not 1 <= num_classes <= IGNORED or (labels.is_one_class and num_classes != 1):
        raise fail(where, f"num_classes is {num_classes} for {task}", "give 1 for binary, else 1 to 255")
    if prediction.shape != truth.shape or truth.ndim < (3 if labels.is_layered else 2):
        raise fail(where, f"shapes {prediction.shape} and {truth.shape}", "give two stacks of labels of one shape")
    if labels.is_layered and truth.shape[-1] != num_classes:
        raise fail(where, f"{truth.shape[-1]} channels, expected {num_classes}", "put the channels last")
    if prediction.dtype.kind not in "bui" or truth.dtype.kind not in "bui":
        raise fail(where, f"labels are {prediction.dtype} and {truth.dtype}, expected integers", "vote first")

    # Every channel holds values 0..states-1; a binary label is a multilabel one of one channel.
    channels = num_classes if labels.is_layered else 1
    states = num_classes if labels.is_exclusive else 2
    joint = np.empty((len(truth), channels, states + 1, states + 1), dtype=np.int64)
    for index, channel in np.ndindex(len(truth), channels):  # piece by piece stays in the processor's cache
        part = (index, ..., channel) if labels.is_layered else (index,)
        joint[index, channel] = _joint_histogram(prediction[part], truth[part], states=states)
    if labels.is_exclusive:
        intersection = joint[:, 0].diagonal(axis1=-2, axis2=-1)[:, :-1].copy()
        predicted, actual = joint[:, 0, :-1, :-1].sum(axis=-2), joint[:, 0, :-1].sum(axis=-1)
    else:
        intersection = joint[:, :, 1, 1].copy()
        predicted, actual = joint[:, :, :-1, 1].sum(axis=-1), joint[:, :, 1].sum(axis=-1)
    return Counts(
        intersection=intersection,
        predicted=predicted,
        actual=actual,
        correct=joint.diagonal(axis1=-2, axis2=-1)[..., :-1].sum(axis=(1, 2)),
        valid=joint[..., :-1, :].sum(axis=(1, 2, 3)),
    )


def iou(counts: Counts, *, empty: float = 1.0) -> ByClass:
    """Give intersection / union (N, K); ``empty`` where both are empty (the paper's published scores: 0).

    Examples:
        >>> iou(count(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]]), task="binary", num_classes=1)).tolist()
        [[0.5]]
    """
    return np.where(counts.union == 0, empty, counts.intersection / np.maximum(counts.union, 1))


def miou(counts: Counts, *, empty: float = 1.0) -> ByImage:
    """Average the IoU of an image's classes (N,): those present in its truth.

    Without any class in its truth an image scores 0 where something is predicted, else ``empty``.

    Examples:
        >>> miou(count(np.array([[[0, 1, 2]]]), np.array([[[0, 1, 1]]]), task="multiclass", num_classes=3)).tolist()
        [0.75]
    """
    return _mean_over_present(iou(counts, empty=empty), counts, absent=np.where(counts.union.any(axis=1), 0.0, empty))


def main_scores(counts: Counts, *, task: Task, empty: float = 1.0) -> ByImage:
    """Give each image's main score (N,), 0 to 1: the IoU of the foreground (binary), else ``miou``.

    Examples:
        >>> counts = count(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]]), task="binary", num_classes=1)
        >>> main_scores(counts, task="binary").tolist()
        [0.5]
    """
    return iou(counts, empty=empty)[:, 0] if labels_of(task).is_one_class else miou(counts, empty=empty)


def dice(counts: Counts) -> ByClass:
    """Give Dice with smoothing 1 (N, K): (2·intersection + 1) / (predicted + actual + 1).

    Examples:
        >>> dice(count(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]]), task="binary", num_classes=1)).tolist()
        [[0.75]]
    """
    return (2 * counts.intersection + 1) / (counts.predicted + counts.actual + 1)


def pixel_accuracy(counts: Counts, *, empty: float = 1.0) -> ByImage:
    """Give the share of correct pixels (N,); ``empty`` for an image ignored as a whole.

    Examples:
        >>> pixel_accuracy(count(np.array([[[0, 1]]]), np.array([[[0, 0]]]), task="multiclass", num_classes=2)).tolist()
        [0.5]
    """
    return np.where(counts.valid == 0, empty, counts.correct / np.maximum(counts.valid, 1))


def dataset_iou(counts: Counts, *, empty: float = 1.0) -> Annotated[Floats, "k"]:
    """Give the IoU of all images' pixels together (K,), as from one confusion matrix.

    Examples:
        >>> counts = count(np.array([[[1, 1]], [[0, 0]]]), np.array([[[1, 0]], [[1, 1]]]), task="binary", num_classes=1)
        >>> iou(counts).ravel().tolist(), dataset_iou(counts).tolist()
        ([0.5, 0.0], [0.25])
    """
    together: Floats = iou(_together(counts), empty=empty)[0]
    return together


def dataset_miou(counts: Counts, *, empty: float = 1.0) -> float:
    """Average ``dataset_iou`` over the classes that are predicted or actual anywhere; ``empty`` if none is.

    Examples:
        >>> dataset_miou(count(np.array([[[0, 1]]]), np.array([[[0, 0]]]), task="multiclass", num_classes=9))
        0.25
    """
    together = _together(counts)
    found = together.union[0] > 0
    return float(iou(together)[0, found].mean()) if found.any() else empty


def scores(
    counts: Counts,
    *,
    task: Task,
    class_names: Sequence[str],
    position_class: str | None = None,
    empty: float = 1.0,
) -> dict[str, float]:
    """Make the table of scores; all but ``num_empty`` are in 0..1 and, unless said, means over images.

    - binary: ``iou``, ``dice``, ``mpa`` (pixel accuracy), ``dataset_iou``, ``num_empty`` (images empty in both).
    - multilabel and multiclass: ``miou``; ``iou/<class>`` over the images that hold the class, left out where none
      does; ``dice`` of the classes present, as for ``miou``; ``mpa``; ``dataset_miou``; for multilabel with a
      ``position_class`` also ``miou_ad``, the ``miou`` without it (HeLa: alive and dead).

    Args:
        counts: of one or more images.
        task: the task they were counted for.
        class_names: K names; binary: 1.
        position_class: the class that marks positions and is not segmented for its own sake.
        empty: what an image empty in both scores; 1, or 0 as published.

    Raises:
        IncmaskError: no image, a number of names that differs from the classes, or an unknown ``position_class``.

    Examples:
        >>> counts = count(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]]), task="binary", num_classes=1)
        >>> scores(counts, task="binary", class_names=["cell"])["iou"]
        0.5
    """
    where = "scores(counts)"
    labels = labels_of(task, where)
    num_images, num_classes = counts.actual.shape
    if num_images == 0:
        raise fail(where, "no images were counted", "score one or more images")
    if len(class_names) != num_classes:
        raise fail(where, f"{len(class_names)} class names for {num_classes} classes", "name every class once")
    accuracy = float(pixel_accuracy(counts, empty=empty).mean())
    by_class = iou(counts, empty=empty)
    if labels.is_one_class:
        return {
            "iou": float(by_class.mean()),
            "dice": float(dice(counts).mean()),
            "mpa": accuracy,
            "dataset_iou": float(dataset_iou(counts, empty=empty)[0]),
            "num_empty": float((counts.union == 0).sum()),
        }

    table = {"miou": float(miou(counts, empty=empty).mean())}
    if labels.is_layered and position_class is not None:
        if position_class not in class_names:
            raise fail(where, f"no class is named {position_class!r}", f"choose one of {', '.join(class_names)}")
        others = [index for index, name in enumerate(class_names) if name != position_class]
        table["miou_ad"] = float(miou(_of_classes(counts, others), empty=empty).mean())
    for index, name in enumerate(class_names):
        if (present := counts.actual[:, index] > 0).any():
            table[f"iou/{name}"] = float(by_class[present, index].mean())
    dice_by_class = dice(counts)
    table["dice"] = float(_mean_over_present(dice_by_class, counts, absent=dice_by_class.mean(axis=1)).mean())
    return table | {"mpa": accuracy, "dataset_miou": dataset_miou(counts, empty=empty)}


def _joint_histogram(prediction: np.ndarray, truth: np.ndarray, *, states: int) -> Ints:
    """Count a channel's pairs of (true value, predicted value); the last value, ``states``, is all else."""
    side = states + 1
    small = np.min_scalar_type(side**2 - 1)
    true_values, predicted_values = _limited(truth, states, small), _limited(prediction, states, small)
    beyond = true_values == states
    if np.count_nonzero(beyond) != np.count_nonzero(_unsigned(truth) == IGNORED):
        wrong = truth[beyond & (_unsigned(truth) != IGNORED)].flat[0]
        raise fail("count(prediction, truth)", f"truth holds {wrong}, expected 0..{states - 1} or 255", "mend the mask")
    pairs = true_values * small.type(side) + predicted_values
    return np.bincount(pairs.ravel(), minlength=side**2).reshape(side, side)


def _limited(values: np.ndarray, top: int, dtype: np.dtype) -> np.ndarray:
    values = _unsigned(values)
    if values.max(initial=0) > top:  # far cheaper to ask than to limit
        values = np.minimum(values, top)
    return values.astype(dtype, order="C", copy=False)


def _unsigned(values: np.ndarray) -> np.ndarray:
    """View integers or bool as unsigned, which turns negative values into ones beyond every class."""
    return values.view(f"{values.dtype.byteorder}u{values.dtype.itemsize}")


def _together(counts: Counts) -> Counts:
    """Sum the images up to one."""
    return Counts(
        intersection=counts.intersection.sum(axis=0, keepdims=True),
        predicted=counts.predicted.sum(axis=0, keepdims=True),
        actual=counts.actual.sum(axis=0, keepdims=True),
        correct=counts.correct.sum(keepdims=True),
        valid=counts.valid.sum(keepdims=True),
    )


def _of_classes(counts: Counts, classes: list[int]) -> Counts:
    return replace(
        counts,
        intersection=counts.intersection[:, classes],
        predicted=counts.predicted[:, classes],
        actual=counts.actual[:, classes],
    )


def _mean_over_present(values: Floats, counts: Counts, *, absent: Floats) -> Floats:
    """Average (N, K) over the classes present in the truth; ``absent`` (N,) for images without any."""
    present = counts.actual > 0
    number = present.sum(axis=1)
    return np.where(number == 0, absent, (values * present).sum(axis=1) / np.maximum(number, 1))
