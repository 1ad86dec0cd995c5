"""What an EvalNet is given and learns, and how its outputs become one score (paper sections 2.4.5, 2.4.8 and 2.7)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import IGNORED, Task
from incmask.base.errors import fail
from incmask.method.blocking import block_label
from incmask.method.labels import labels_of
from incmask.method.metrics import count, iou

Label = Annotated[NDArray[np.uint8], "n h w"] | Annotated[NDArray[np.uint8], "n h w k"]
Mask = Annotated[NDArray[np.bool_], "n h w"]
Floats = NDArray[np.float32]

_DETECTED = 0.5


@dataclass(frozen=True)
class Targets:
    """The truth about N labels of K classes; for multiclass the masked class is none of them.

    Attributes:
        iou: float32 (N, K) in 0..1; 1 for a class in neither the label nor the truth.
        detected: bool (N, K), whether the class counts in the image's score.
    """

    iou: Annotated[Floats, "n k"]
    detected: Annotated[NDArray[np.bool_], "n k"]


def targets(label: Label, truth: Label, inconsistent: Mask | None, *, task: Task, num_classes: int) -> Targets:
    """Compare labels with the truth (paper sections 2.4.5 and 2.4.8).

    The IoU is that of the blocked label with the whole truth: a blocked pixel predicts nothing and so costs each class
    that is truly there. Whether a class is detected depends on the truth:

    - without a mask: it has more than 1 % of the image's pixels;
    - under a mask: at least 30 % of its true pixels are outside the mask, or those outside make up at least 10 % of the
      image; never a class without true pixels.

    Args:
        label: binary 0/1 or multiclass ids 0..K-1 (N, H, W); multilabel 0/1 (N, H, W, K). Any other value predicts
            nothing.
        truth: the same, and 255 where a pixel is not labelled: it counts in no IoU and for no class, but as one of the
            image's pixels.
        inconsistent: bool (N, H, W), True where blocked; None: the labels were made without a mask.
        task: how to read the labels.
        num_classes: K; binary: 1.

    Raises:
        IncmaskError: shapes or types that do not fit, or another value in ``truth``.

    Examples:
        >>> label, truth = np.array([[[1, 1, 1, 1]]], np.uint8), np.array([[[1, 1, 0, 0]]], np.uint8)
        >>> found = targets(label, truth, None, task="binary", num_classes=1)
        >>> found.iou.tolist(), found.detected.tolist()
        ([[0.5]], [[True]])
    """
    prediction = _blocked(label, inconsistent, task=task, num_classes=num_classes)
    if labels_of(task).is_exclusive:
        prediction = prediction - 1  # 0, the masked class, becomes a value beyond every class
    counts = count(prediction, truth, task=task, num_classes=num_classes)
    image_px = truth.shape[1] * truth.shape[2]
    if inconsistent is None:
        detected = 100 * counts.actual > image_px
    else:
        outside = np.where(labels_of(task).over_layers(inconsistent), IGNORED, truth)
        kept = count(prediction, outside, task=task, num_classes=num_classes).actual
        detected = (counts.actual > 0) & ((10 * kept >= 3 * counts.actual) | (10 * kept >= image_px))
    return Targets(iou(counts, empty=1.0).astype(np.float32), detected)


def num_outputs(task: Task, num_classes: int) -> int:
    """Count an EvalNet's outputs: the IoU for binary, else an IoU and a detection for each class (section 2.7).

    Examples:
        >>> num_outputs("binary", 1), num_outputs("multiclass", 3)
        (1, 6)
    """
    return 1 if labels_of(task, "num_outputs(task)").is_one_class else 2 * num_classes


def network_targets(targets: Targets, task: Task) -> Annotated[Floats, "n outputs"]:
    """Give what the outputs shall be, float32 (N, num_outputs): all classes' IoU, then, unless binary, detections.

    Examples:
        >>> network_targets(Targets(np.float32([[0.5, 1]]), np.array([[True, False]])), "multiclass").tolist()
        [[0.5, 1.0, 1.0, 0.0]]
    """
    if labels_of(task, "network_targets(targets)").is_one_class:
        return targets.iou
    return np.concatenate([targets.iou, targets.detected.astype(np.float32)], axis=1)


def quality(outputs: Annotated[NDArray[np.floating], "n outputs"], task: Task) -> Annotated[NDArray[np.float64], "n"]:
    """Turn outputs into one score a label (paper sections 2.4.5 and 2.7).

    Binary: the IoU. Else the mean IoU of the classes whose detection is 0.5 or more; without any such class 0.

    Args:
        outputs: (N, num_outputs) in 0..1, ordered as ``network_targets`` does.
        task: how to read them.

    Returns:
        (N,) in 0..1.

    Raises:
        IncmaskError: a number of outputs that is not the task's, or outputs that are not finite.

    Examples:
        >>> quality(np.array([[0.5, 0.75, 0.25, 0.9, 0.8, 0.1]]), "multiclass").tolist()  # the third class is not there
        [0.625]
    """
    where = "quality(outputs)"
    is_one_class = labels_of(task, where).is_one_class
    if outputs.ndim != 2 or (outputs.shape[1] != 1 if is_one_class else outputs.shape[1] % 2 != 0):
        expected = "(N, 1)" if is_one_class else "(N, 2 K)"
        raise fail(where, f"shape {outputs.shape}, expected {expected}", f"check that the EvalNet is for {task}")
    if not np.isfinite(outputs).all():  # a class whose detection is not a number would go missing unnoticed
        raise fail(where, "outputs are not all finite", "check the training of the EvalNets for losses that are none")
    if is_one_class:
        return outputs[:, 0].astype(np.float64)
    rated, detection = np.split(outputs.astype(np.float64), 2, axis=1)
    detected = detection >= _DETECTED
    mean: NDArray[np.float64] = np.where(detected, rated, 0).sum(axis=1) / np.maximum(detected.sum(axis=1), 1)
    return mean


def true_quality(
    label: Label, truth: Label, inconsistent: Mask | None, *, task: Task, num_classes: int
) -> Annotated[NDArray[np.float64], "n"]:
    """Give the score that a perfect EvalNet would give (GT-IM++, paper section 3.8); as ``targets``, returns (N,).

    Examples:
        >>> label, truth = np.array([[[1, 1, 0, 0]]], np.uint8), np.array([[[1, 0, 0, 0]]], np.uint8)
        >>> true_quality(label, truth, None, task="binary", num_classes=1).tolist()
        [0.5]
        >>> true_quality(label, truth, label != truth, task="binary", num_classes=1).tolist()  # the error is blocked
        [1.0]
    """
    return quality(network_targets(targets(label, truth, inconsistent, task=task, num_classes=num_classes), task), task)


def mask_channels(task: Task, num_classes: int) -> int:
    """Count the channels of an EvalNet's input B: 1, one a class, or for multiclass one more for the masked class.

    Examples:
        >>> mask_channels("binary", 1), mask_channels("multiclass", 3)
        (1, 4)
    """
    return labels_of(task, "mask_channels(task)").num_outputs(num_classes)


def mask_planes(
    label: Label, inconsistent: Mask | None, *, task: Task, num_classes: int
) -> Annotated[Floats, "n c h w"]:
    """Turn labels into an EvalNet's input B (paper appendix A.3).

    Args:
        label: binary or multiclass (N, H, W), multilabel (N, H, W, K); a value that is no class counts as nothing.
        inconsistent: bool (N, H, W), True where blocked; None: nowhere.
        task: how to read the labels.
        num_classes: K; binary: 1.

    Returns:
        float32 0/1 (N, mask_channels, H, W). Binary and multilabel: the foreground, 0 where blocked. Multiclass:
        one-hot, channel 0 for what is blocked or no class, channel k + 1 for class k.

    Raises:
        IncmaskError: shapes or types that do not fit.

    Examples:
        >>> label, inconsistent = np.array([[[0, 1]]], np.uint8), np.array([[[True, False]]])
        >>> mask_planes(label, inconsistent, task="multiclass", num_classes=2).tolist()
        [[[[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 1.0]]]]
    """
    blocked = _blocked(label, inconsistent, task=task, num_classes=num_classes)
    labels = labels_of(task)
    if labels.is_exclusive:
        classes = np.stack([blocked == class_id for class_id in range(1, num_classes + 1)], axis=1)
        planes = np.concatenate([~classes.any(axis=1, keepdims=True), classes], axis=1)
    else:
        planes = np.stack([labels.class_pixels(blocked, number) for number in range(num_classes)], axis=1)
    return np.ascontiguousarray(planes, dtype=np.float32)


def _blocked(label: Label, inconsistent: Mask | None, *, task: Task, num_classes: int) -> Label:
    """Blank the blocked pixels; multiclass ids become one higher, since 0 is the masked class then."""
    where = "an EvalNet's label"
    labels = labels_of(task, where)
    if label.ndim != (4 if labels.is_layered else 3):
        raise fail(where, f"shape {label.shape}", "give (N, H, W), for multilabel with the K channels last")
    if labels.is_layered and label.shape[-1] != num_classes:
        raise fail(where, f"{label.shape[-1]} channels, expected {num_classes}", "put the channels last")
    shifted = labels.with_masked(label)
    return shifted if inconsistent is None else block_label(shifted, inconsistent, task=task)
