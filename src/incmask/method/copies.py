"""From the quality of a pseudo-label to how often it is trained on (paper section 2.4.8)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import fail

MOST_COPIES = 5

_SLACK = 1e-7
"""Scores come from float32, whose values below 1 are up to 3e-8 off; so near an edge a score counts as on it."""


@dataclass(frozen=True)
class Band:
    """The range of quality over which the copies grow, 0 <= low <= high <= 1; in the paper the scores of ALDT and FDT.

    Raises:
        IncmaskError: bounds in another order or outside 0..1.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            found = f"goes from {self.low} to {self.high}, expected 0 <= low <= high <= 1"
            raise fail("the quality band", found, "give the scores of a weaker and of a stronger model")


def num_copies(quality: Annotated[NDArray[np.floating], "*any"], *, band: Band) -> Annotated[NDArray[np.int64], "*any"]:
    """Decide how many copies of each pair to train on (paper section 2.4.8).

    The band is cut into five equal intervals, each of which belongs to its lower edge: 1 copy below the second interval
    and so also below the band, 2 in the second interval, to 5 in the fifth and above. A band of no extent gives 1 below
    it and 5 from there on. A score that falls short of an edge by no more than float32 resolves (1e-7) counts as on it.

    Args:
        quality: scores of any shape.
        band: where the copies grow.

    Returns:
        1..5, the scores' shape.

    Raises:
        IncmaskError: a score is not a number.

    Examples:
        >>> num_copies(np.array([0.4, 0.65, 0.99]), band=Band(0.5, 1.0)).tolist()
        [1, 2, 5]
    """
    scores = _checked(quality, "num_copies(quality)")
    edges = np.linspace(band.low, band.high, MOST_COPIES + 1)[1:-1]
    return np.asarray(1 + np.searchsorted(edges, scores + _SLACK, side="right"), np.int64)


def band_of(quality: Annotated[NDArray[np.floating], "..."]) -> Band:
    """Take the band from the scores themselves, for want of the paper's: a model trained on all true masks.

    It reaches from the scores' 20 % quantile to their 80 % quantile, linear between neighbours, so that about a fifth
    of the pairs lies below it and a fifth above.

    Args:
        quality: one or more scores in 0..1, of any shape.

    Raises:
        IncmaskError: no score, one that is not a number, or quantiles outside 0..1.

    Examples:
        >>> band_of(np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
        Band(low=0.2, high=0.8)
    """
    where = "band_of(quality)"
    scores = _checked(quality, where)
    if scores.size == 0:
        raise fail(where, "no scores", "rate one or more pseudo-labels first")
    low, high = np.quantile(scores, [0.2, 0.8])
    return Band(float(low), float(high))


def _checked(quality: NDArray[np.floating], where: str) -> NDArray[np.float64]:
    scores = np.asarray(quality, dtype=np.float64)
    if np.isnan(scores).any():
        raise fail(where, "a score is not a number", "check the training of the EvalNets for losses that are none")
    return scores
