"""How wrong the mask of an image is expected to be. Pure."""

import numpy as np
from numpy.typing import NDArray

from incmask.insight.ranking.measure import InconsistentPixels

Floats = NDArray[np.float64]

SMOOTHING_FRACTION = 0.01
"""Share of an image's pixels that is added to its foreground: a few disputed pixels on an empty image are no object."""

LEAST_WORTH = 0.1
"""Of an image on which all agree: they may agree on what is wrong."""


def inconsistent_share(inconsistent: InconsistentPixels) -> Floats:
    """Give the share of the foreground that is disputed, (N,), 0 to 1; 0 where there is neither.

    Of two members it is 1 minus the IoU of their masks.
    """
    return inconsistent.inconsistent_px / np.maximum(inconsistent.object_px, 1)


def smoothed_share(inconsistent: InconsistentPixels) -> Floats:
    """Give the same for scores: small where hardly anything is foreground or disputed."""
    return inconsistent.inconsistent_px / (inconsistent.object_px + SMOOTHING_FRACTION * inconsistent.area_px)


def expected_error(share: Floats | None, quality: NDArray[np.floating] | None) -> Floats | None:
    """Estimate 1 minus the IoU of each mask with the truth, (N,), 0 to 1.

    The disputed share of the foreground estimates it, and so does 1 minus the rating; their mean is taken.

    Args:
        share: (N,), of ``smoothed_share``; None: nothing votes.
        quality: (N,), expected quality by the EvalNets, 0 to 1; None: nothing rates.

    Returns:
        None without either.
    """
    known = [share] if share is not None else []
    known += [1 - np.clip(quality, 0, 1).astype(np.float64)] if quality is not None else []
    return np.mean(known, axis=0) if known else None


def worth(error: Floats | None, *, num: int) -> Floats:
    """Tell what each of ``num`` images is worth by itself, before it is known what it stands for.

    ``LEAST_WORTH`` to 1, rising with the expected error; the same for all where that is None.
    """
    return LEAST_WORTH + (1 - LEAST_WORTH) * (np.ones(num) if error is None else error)
