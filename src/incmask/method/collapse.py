"""Whether a generation has collapsed: its labels lost a class, or its validation fell, by more than chance."""

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CHANCE = 0.01
"""How often, at most, what is no collapse is taken for one at a look."""

LEAST_FALL = 0.05
"""Of a score, 0 to 1: a generation may fall by less and the next one make up for it."""


def chance_of_none(num_with: int, num: int, num_others: int) -> float:
    """Give the chance that a class is in none of some images by luck alone: Fisher's exact test.

    Args:
        num_with: labelled images with the class.
        num: labelled images.
        num_others: images of the same kind, none of which has it.

    Examples:
        >>> chance_of_none(2, 3, 1)  # of four images two have it, and both are among these three
        0.5
    """
    return math.comb(num, num_with) / math.comb(num + num_others, num_with)


def chance_of_loss(num_before: int) -> float:
    """Give the chance that a class leaves all images that had it and comes to none: the exact sign test.

    Examples:
        >>> chance_of_loss(3)
        0.125
    """
    return 0.5**num_before


def has_fallen(before: Annotated[NDArray[np.float64], "n"], now: Annotated[NDArray[np.float64], "n"]) -> bool:
    """Tell whether scores fell, by ``LEAST_FALL`` or more on the mean and by more than chance: a paired t-test.

    Args:
        before, now: of the same images, or subjects; of a single one nothing can be told.

    Examples:
        >>> before = np.array([0.8, 0.7, 0.9])
        >>> has_fallen(before, before - [0.7, 0.6, 0.75]), has_fallen(before, before - [0.3, -0.1, 0.1])
        (True, False)
    """
    difference = now - before
    num = len(difference)
    if num < 2 or (mean := float(difference.mean())) > -LEAST_FALL:
        return False
    reach = stats.t.ppf(1 - CHANCE, num - 1) * difference.std(ddof=1) / math.sqrt(num)
    return bool(mean + reach < 0)
