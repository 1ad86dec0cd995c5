"""Scores (paper, section 2.8 and appendix A.1): first count pixels per image and class, then apply formulas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import IGNORED, MeanOver, Task
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


def counted_classes(counts: Counts, *, classes: MeanOver = "found") -> Annotated[NDArray[np.bool_], "n k"]:
    """Tell which classes count in an image's mean: those in its truth or prediction, in its truth, or all.

    Examples:
        >>> counts = count(np.array([[[0, 2]]]), np.array([[[0, 0]]]), task="multiclass", num_classes=4)
        >>> [counted_classes(counts, classes=classes).sum().item() for classes in ("found", "true", "all")]
        [2, 1, 4]
    """
    if classes == "all":
        return np.ones(counts.actual.shape, bool)
    return (counts.actual if classes == "true" else counts.union) > 0


def mean_of_classes(values: ByClass, counted: Annotated[NDArray[np.bool_], "n k"], *, otherwise: ByImage) -> ByImage:
    """Average (N, K) over the classes that count; ``otherwise`` (N,) for images without any.

    Examples:
        >>> values, counted = np.array([[0.5, 0.7], [0.1, 0.3]]), np.array([[True, True], [False, False]])
        >>> mean_of_classes(values, counted, otherwise=np.ones(2)).tolist()
        [0.6, 1.0]
    """
    number = counted.sum(axis=1)
    return np.where(number == 0, otherwise, (values * counted).sum(axis=1) / np.maximum(number, 1))


def miou(counts: Counts, *, classes: MeanOver = "found", empty: float = 1.0) -> ByImage:
    """Average the IoU of an image's classes (N,): those that ``counted_classes`` tells.

    An image without any scores 0 where something is predicted, else ``empty``, as does a class that is in neither.

    Examples:
        >>> counts = count(np.array([[[0, 1, 2]]]), np.array([[[0, 1, 1]]]), task="multiclass", num_classes=3)
        >>> miou(counts).tolist(), miou(counts, classes="true").tolist()
        ([0.5], [0.75])
    """
    otherwise = np.where(counts.union.any(axis=1), 0.0, empty)
    return mean_of_classes(iou(counts, empty=empty), counted_classes(counts, classes=classes), otherwise=otherwise)


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
