"""Losses of a segmentation, averaged over the pixels that count."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from incmask.base.config import Settings, Task
from incmask.base.errors import fail
from incmask.method.labels import labels_of
from incmask.method.labels.base import Labels

LOSSES = ("mse", "cross_entropy", "cross_entropy_dice")
TARGET_LOSSES = ("huber", "l1", "l2")
"""Of tasks whose targets are numbers."""

HUBER_DELTA = 0.1
"""Where Huber's loss turns from squares to lines, as a share of the labelled targets' range."""

Logits = Annotated[Tensor, "n c h w"]
Target = Annotated[Tensor, "n h w"] | Annotated[Tensor, "n c h w"]

_DICE_SMOOTHING = 1.0


def segmentation_loss(
    logits: Logits,
    target: Target,
    *,
    task: Task,
    kind: str,
    weight: Target | None = None,
    target_values: Sequence[float] | None = None,
) -> Annotated[Tensor, ""]:
    """Compare logits with a target; the mean over pixels, each counting as much as its weight.

    Args:
        logits: ``(N, C, H, W)``, any float type; computed in float32.
        target: binary ``(N, H, W)`` of 0 and 1 (C is 1); multilabel ``(N, C, H, W)`` of 0 and 1; multiclass
            ``(N, H, W)`` class indices below C. Any integer type or bool. Where the weight is 0 any value may stand.
        task: which of these; of tasks whose targets are numbers, see ``value_loss``.
        kind: ``"mse"`` of the sigmoid (multiclass: of the softmax against one-hot, averaged over classes),
            ``"cross_entropy"``, or ``"cross_entropy_dice"``: that plus 1 minus the soft Dice with smoothing 1,
            taken over the whole batch for each class, then averaged over classes.
        weight: 0 or more, bool or float, ``(N, H, W)``, or for multilabel also ``(N, C, H, W)``; None counts all
            pixels alike.
        target_values: multilabel and ``"mse"`` alone: what is asked for where a class is, one a class; None: 1. Beyond
            1, which no sigmoid reaches, a class counts the more.

    Returns:
        A scalar of type float32; 0, with gradients of 0, where no pixel counts. MSE for binary and multilabel and
        cross-entropy for multiclass are the paper's (section 2.6.2).

    Raises:
        IncmaskError: an unknown task or kind.
        ValueError: shapes other than these, or target values of another task or kind.

    Examples:
        >>> logits, target = torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2, dtype=torch.uint8)
        >>> segmentation_loss(logits, target, task="binary", kind="mse")
        tensor(0.2500)
    """
    labels = labels_of(task)
    if labels.is_continuous:
        return value_loss(logits, target, kind=kind, weight=weight)
    if kind not in LOSSES:
        raise fail("loss", f"{kind!r} is unknown", f"choose one of {', '.join(LOSSES)}")
    _check_shapes(logits, target, labels=labels, weight=weight)
    logits = logits.float()
    if labels.is_one_class:
        target = target[:, None]
    if target_values is not None:
        if not labels.is_layered or kind != "mse" or len(target_values) != logits.shape[1]:
            raise ValueError("segmentation_loss: target_values are for multilabel and mse, one a class")
        target = target * torch.tensor(target_values, device=target.device)[:, None, None]
    weight = _expand(weight, target)
    # Ignored pixels may hold any value, an index that is no class among them.
    target = torch.where(weight > 0, target, torch.zeros((), dtype=target.dtype, device=target.device))
    if labels.is_exclusive:
        return _multiclass(logits, target.long(), weight, kind)
    return _independent(logits, target.float(), weight, kind)


def value_loss(
    logits: Annotated[Tensor, "n 1 h w"],
    target: Annotated[Tensor, "n h w"],
    *,
    kind: str,
    weight: Annotated[Tensor, "n h w"] | None = None,
) -> Annotated[Tensor, ""]:
    """Compare numbers with their targets; the mean over pixels, each counting as much as its weight.

    Args:
        logits: ``(N, 1, H, W)``, any float type; computed in float32.
        target: ``(N, H, W)``, scaled to 0 to 1; any finite number where the weight is 0.
        kind: ``"l1"``, the absolute error; ``"l2"``, the squared one; ``"huber"`` (1964): the squared one up to
            ``HUBER_DELTA`` and a line beyond, both divided by it, so that it is near the absolute error.
        weight: 0 or more, bool or float, ``(N, H, W)``; None counts all pixels alike.

    Returns:
        A scalar of type float32; 0, with gradients of 0, where no pixel counts.

    Raises:
        IncmaskError: an unknown kind.
        ValueError: shapes other than these.

    Examples:
        >>> value_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[0.0, 0.5]]]), kind="l1")
        tensor(0.2500)
    """
    if kind not in TARGET_LOSSES:
        raise fail("target_loss", f"{kind!r} is unknown", f"choose one of {', '.join(TARGET_LOSSES)}")
    if logits.ndim != 4 or logits.shape[1] != 1 or target.shape != (len(logits), *logits.shape[2:]):
        raise ValueError(f"value_loss: (N, 1, H, W) and (N, H, W) go together, got {logits.shape} and {target.shape}")
    said, weight = logits[:, 0].float(), _expand(weight, target)
    if kind == "huber":
        return _mean(functional.huber_loss(said, target, reduction="none", delta=HUBER_DELTA) / HUBER_DELTA, weight)
    return _mean((said - target).abs() if kind == "l1" else (said - target).square(), weight)


def two_stream_loss(
    labelled: Annotated[Tensor, ""], pseudo: Annotated[Tensor, ""], *, pseudo_weight: float
) -> Annotated[Tensor, ""]:
    """Average the losses of the labelled and of the pseudo-labelled images of a batch, however many there are of each.

    Args:
        labelled, pseudo: scalars, each the mean over its own images.
        pseudo_weight: w, 0 or more; 1: both count alike.

    Returns:
        (labelled + w · pseudo) / (1 + w): of the same size whatever the weight is, so that a rate suits all.

    Examples:
        >>> two_stream_loss(torch.tensor(1.0), torch.tensor(4.0), pseudo_weight=0.5)
        tensor(2.)
    """
    return (labelled + pseudo_weight * pseudo) / (1 + pseudo_weight)


def _independent(logits: Tensor, target: Tensor, weight: Tensor, kind: str) -> Tensor:
    if kind == "mse":
        return _mean((logits.sigmoid() - target).square(), weight)
    loss = _mean(functional.binary_cross_entropy_with_logits(logits, target, reduction="none"), weight)
    return loss + _dice_loss(logits.sigmoid(), target, weight) if kind == "cross_entropy_dice" else loss


def _multiclass(logits: Tensor, target: Tensor, weight: Tensor, kind: str) -> Tensor:
    if kind == "cross_entropy":
        return _mean(functional.cross_entropy(logits, target, reduction="none"), weight)
    one_hot = functional.one_hot(target, logits.shape[1]).movedim(-1, 1).float()
    if kind == "mse":
        return _mean((logits.softmax(1) - one_hot).square().mean(1), weight)
    loss = _mean(functional.cross_entropy(logits, target, reduction="none"), weight)
    return loss + _dice_loss(logits.softmax(1), one_hot, weight[:, None])


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    total = weight.sum()
    return (loss * weight).sum() / torch.where(total > 0, total, torch.ones_like(total))


def _dice_loss(probability: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """One minus the mean over classes of (2 I + 1) / (A + B + 1), all ``(N, C, H, W)``."""
    pixels = (0, 2, 3)
    intersection = (probability * target * weight).sum(pixels)
    both = ((probability + target) * weight).sum(pixels)
    return 1 - ((2 * intersection + _DICE_SMOOTHING) / (both + _DICE_SMOOTHING)).mean()


def _expand(weight: Tensor | None, target: Tensor) -> Tensor:
    """Give the weight the target's shape."""
    if weight is None:
        return torch.ones(target.shape, device=target.device)
    weight = weight.float()
    return (weight[:, None] if weight.ndim < target.ndim else weight).expand(target.shape)


def _check_shapes(logits: Tensor, target: Tensor, *, labels: Labels, weight: Tensor | None) -> None:
    task = labels.task
    if logits.ndim != 4 or (labels.is_one_class and logits.shape[1] != 1):
        expected = "(N, 1, H, W)" if labels.is_one_class else "(N, C, H, W)"
        raise ValueError(f"segmentation_loss: logits of a {task} task must be {expected}, got {tuple(logits.shape)}")
    num, _, height, width = logits.shape
    pixels = (num, height, width)
    expected_target = logits.shape if labels.is_layered else pixels
    if target.shape != expected_target:
        raise ValueError(
            f"segmentation_loss: target of a {task} task must be {tuple(expected_target)}, got {tuple(target.shape)}"
        )
    if weight is not None and weight.shape not in (pixels, expected_target):
        raise ValueError(f"segmentation_loss: weight must be {pixels}, got {tuple(weight.shape)}")


def rating_loss(
    outputs: Annotated[Tensor, "n outputs"], target: Annotated[Tensor, "n outputs"], *, task: Task, detection: str
) -> Annotated[Tensor, ""]:
    """Compare what an EvalNet says with what it should say (paper, section 2.7.1).

    Args:
        outputs: (N, outputs) in 0 to 1, as ``quality`` takes them.
        target: the same, as ``network_targets`` gives it.
        task: how to read them.
        detection: ``"mse"``, the paper's: the mean squared error of all outputs. ``"cross_entropy"``, as in its code:
            the mean squared error of the IoUs and the binary cross-entropy of the detections, added.

    Examples:
        >>> said, true = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 1.0]])
        >>> [rating_loss(said, true, task="multilabel", detection=each).item() for each in ("mse", "cross_entropy")]
        [0.25, 0.9431471824645996]
    """
    if detection == "mse" or labels_of(task).is_one_class:
        return (outputs - target).square().mean()
    (rated, detected), (iou, is_there) = (each.chunk(2, 1) for each in (outputs, target))
    return (rated - iou).square().mean() + functional.binary_cross_entropy(detected, is_there)


def selects_by_loss(settings: Settings, task: Task) -> bool:
    """Tell whether the validation loss chooses a model's epoch; ``auto`` is the paper's: for multilabel, else by score.

    Among models the score chooses, whatever chose their epochs.

    Examples:
        >>> [selects_by_loss(Settings(select_by="auto"), task) for task in ("multilabel", "binary")]
        [True, False]
    """
    return settings.select_by == "loss" or (settings.select_by == "auto" and labels_of(task).paper_selects_by_loss)


def loss_of(settings: Settings, task: Task) -> str:
    """Give the loss that is meant by the settings; ``auto`` is the paper's (section 2.6.2).

    Examples:
        >>> [loss_of(Settings(loss="auto"), task) for task in ("multiclass", "binary", "depth")]
        ['cross_entropy', 'mse', 'huber']
    """
    if labels_of(task).is_continuous:
        return settings.target_loss
    return labels_of(task).paper_loss if settings.loss == "auto" else settings.loss
