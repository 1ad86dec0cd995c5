"""Keep of each class what blocking would take away beyond a share of it: thin and rare classes are disputed most."""

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import Task
from incmask.method.agreement import Inconsistency
from incmask.method.labels import labels_of

_ROUNDING = 1e-9
"""So that a share that is a whole number of pixels stays one."""


def capped(
    voted: Inconsistency, mean: Annotated[NDArray[np.floating], "n c h w"], *, task: Task, max_share: float
) -> Inconsistency:
    """Let at most a share of each class's pixels be inconsistent in each image.

    A class has the pixels that the soft vote gives to it. Where more of them are inconsistent than the share allows,
    those of the highest mean probability are not any more, and have the soft vote's label. Classes are looked at one
    after the other: ids of exclusive classes, 0 among them, else the classes beside the ground.

    Args:
        voted: label uint8 (N, H, W) or (N, H, W, K), inconsistent bool (N, H, W), as ``combine`` gives them.
        mean: of the members' probabilities, as the networks give them.
        task: what the channels mean.
        max_share: 0 to 1; 1: all of a class may be inconsistent, and nothing changes.

    Examples:
        >>> voted = Inconsistency(np.zeros((1, 1, 4), np.uint8), np.array([[[True, True, True, False]]]))
        >>> found = capped(voted, np.array([[[[0.6, 0.9, 0.7, 0.8]]]]), task="binary", max_share=0.5)
        >>> found.label.tolist(), found.inconsistent.tolist()  # two of the four foreground pixels stay inconsistent
        ([[[0, 1, 0, 0]]], [[[True, False, True, False]]])
    """
    if max_share >= 1:
        return voted
    kind = labels_of(task)
    soft, of_classes = kind.decode(mean), kind.of_classes(mean, axis=1)
    freed = np.zeros_like(voted.inconsistent)
    for number in range(of_classes.shape[1]):
        pixels = kind.class_pixels(soft, number)
        for image, probability in enumerate(of_classes[:, number]):
            disputed = np.flatnonzero(pixels[image] & voted.inconsistent[image])
            num_allowed = math.floor(max_share * np.count_nonzero(pixels[image]) + _ROUNDING)
            surest_first = np.argsort(-probability.flat[disputed], kind="stable")
            freed[image].flat[disputed[surest_first[: max(0, len(disputed) - num_allowed)]]] = True
    label = voted.label.copy()
    label[freed] = soft[freed]
    return Inconsistency(label, voted.inconsistent & ~freed)
