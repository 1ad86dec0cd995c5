"""Means, intervals and tests of scores; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05

Bounds = tuple[float, float]
SCORE_BOUNDS: Bounds = (0.0, 1.0)
DIFFERENCE_BOUNDS: Bounds = (-1.0, 1.0)
"""Between which a score lies, and a difference of two; beyond them no interval reaches."""

LEAST_PAIRS = 10
"""Of fewer, values that have nothing to do with each other correlate by more than 0.63 one time in 20."""


@dataclass(frozen=True)
class Summary:
    """Values of repeats.

    Attributes:
        mean: of them.
        standard_error: of the mean; nan for one repeat, as are ``low`` and ``high``.
        low: lower end of the mean's 95 % t interval, within what the mean can be.
        high: its upper end.
        best: the highest, or the lowest where lower is better.
        num: of values.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    best: float
    num: int


@dataclass(frozen=True)
class Correlation:
    """How two values go together, -1 to 1; nan where one of them is constant or fewer than ``LEAST_PAIRS`` are left.

    Attributes:
        pearson: of the values.
        spearman: of their ranks.
        num: of pairs without nan.
    """

    pearson: float
    spearman: float
    num: int


def interval_within(bounds: Bounds, mean: float, reach: float) -> tuple[float, float]:
    """Give the ends of an interval around a mean, none of them beyond what the mean can be; nan for a reach of nan."""
    low, high = np.clip((mean - reach, mean + reach), *bounds).tolist()
    return low, high


def summarise(values: Sequence[float], *, higher_is_better: bool = True, bounds: Bounds = (-np.inf, np.inf)) -> Summary:
    """Summarise repeats, one or more (paper, appendix A.5).

    Args:
        values: of the repeats.
        higher_is_better: else the lowest is the best.
        bounds: between which a value can lie.

    Raises:
        ValueError: no values.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("summarise: no values, expected one or more")
    mean, best = float(array.mean()), float(array.max() if higher_is_better else array.min())
    if array.size == 1:
        return Summary(mean, np.nan, np.nan, np.nan, best, 1)
    error = float(stats.sem(array))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, array.size - 1)) * error
    return Summary(mean, error, *interval_within(bounds, mean, reach), best, array.size)


def intervals_overlap(first: Summary, second: Summary) -> bool | None:
    """Tell whether the 95 % intervals share a point: if not, the paper calls the two different (appendix A.5).

    None where one of them has no interval.
    """
    if min(first.num, second.num) < 2:
        return None
    return max(first.low, second.low) <= min(first.high, second.high)


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values (M,) for their number by Holm's step-down method."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted


def correlation(x: ArrayLike, y: ArrayLike) -> Correlation:
    """Correlate two values of the same things (N,); pairs with a nan are left out."""
    pairs = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    num = pairs.shape[1]
    if num < LEAST_PAIRS or (np.ptp(pairs, axis=1) <= 1e-9 * np.abs(pairs).max(axis=1)).any():
        return Correlation(np.nan, np.nan, num)
    return Correlation(float(stats.pearsonr(*pairs).statistic), float(stats.spearmanr(*pairs).statistic), num)
