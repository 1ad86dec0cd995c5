"""What a network's channels mean; the masked class 0 is shifted here and nowhere else."""

import numpy as np
from torch import Tensor

from incmask.base.config import Task


def num_outputs(task: Task, num_classes: int) -> int:
    """Logits a pixel: multiclass has one more, for the masked class 0."""
    return {"binary": 1, "multilabel": num_classes, "multiclass": num_classes + 1}[task]


def hard_votes(probability: np.ndarray, task: Task) -> np.ndarray:
    """What each member says of each pixel, uint8 (..., H, W) or (..., H, W, K); multiclass: 0 the masked class.

    Args:
        probability: float, (..., C, H, W) as the networks give them.
        task: what the channels mean.
    """
    if task == "multiclass":
        return probability.argmax(-3).astype(np.uint8)
    votes = (probability > 0.5).astype(np.uint8)
    return votes[..., 0, :, :] if task == "binary" else np.moveaxis(votes, -3, -1)


def probabilities(logits: Tensor, task: Task) -> Tensor:
    """Softmax over the channels for multiclass, else sigmoid; shape stays (N, C, H, W)."""
    return logits.softmax(1) if task == "multiclass" else logits.sigmoid()


def to_label(probability: np.ndarray, task: Task) -> np.ndarray:
    """The likeliest real classes: uint8 (N, H, W) ids or (N, H, W, K) for multilabel.

    Args:
        probability: float, (N, C, H, W) as the network gives them; multiclass channel 0 is the
            masked class, which is never an answer here.
        task: what the channels mean.
    """
    if task == "multiclass":
        return probability[:, 1:].argmax(1).astype(np.uint8)
    label = (probability > 0.5).astype(np.uint8)
    return label[:, 0] if task == "binary" else np.moveaxis(label, 1, -1)
