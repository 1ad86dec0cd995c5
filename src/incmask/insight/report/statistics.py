"""Means, intervals and tests of scores; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05

_ROUNDING = 1e-12
"""Scores nearer than this are the same: means over the same images in another order differ by less."""
_LEAST_RESAMPLES = 9_999
_RESAMPLES_A_PAIR = 100
_CHUNK_INDICES = 2_000_000
"""Of resampled images at once: 16 MB an array, of which a few are alive."""


@dataclass(frozen=True)
class Summary:
    """Values of repeats.

    Attributes:
        mean: of them.
        standard_error: of the mean; nan for one repeat, as are ``low`` and ``high``.
        low: lower end of the mean's 95 % t interval; scores are not cut to 0..1.
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
class Difference:
    """First minus second, averaged over images.

    Attributes:
        mean: of the images' differences.
        low: lower end of its 95 % BCa bootstrap interval.
        high: its upper end.
        p_value: two-sided, that the mean is 0; above 0, up to 1.
    """

    mean: float
    low: float
    high: float
    p_value: float

    def __neg__(self) -> "Difference":
        """Second minus first."""
        return Difference(-self.mean, -self.high, -self.low, self.p_value)


@dataclass(frozen=True)
class PairRow:
    """Two approaches compared.

    Attributes:
        first: name of an approach.
        second: name of another.
        difference: first minus second.
        adjusted_p: Holm's, over all pairs compared together.
        significant: ``adjusted_p`` is below 0.05.
        intervals_overlap: of the means over repeats; None without intervals.
    """

    first: str
    second: str
    difference: Difference
    adjusted_p: float
    significant: bool
    intervals_overlap: bool | None


@dataclass(frozen=True)
class Correlation:
    """How two values go together, -1 to 1; nan where one of them is constant or fewer than 2 pairs are left.

    Attributes:
        pearson: of the values.
        spearman: of their ranks.
        num: of pairs without nan.
    """

    pearson: float
    spearman: float
    num: int


def summarise(values: Sequence[float], *, higher_is_better: bool = True) -> Summary:
    """Summarise repeats, one or more (paper, appendix A.5).

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
    return Summary(mean, error, mean - reach, mean + reach, best, array.size)


def intervals_overlap(first: Summary, second: Summary) -> bool | None:
    """Tell whether the 95 % intervals share a point: if not, the paper calls the two different (appendix A.5).

    None where one of them has no interval.
    """
    if min(first.num, second.num) < 2:
        return None
    return max(first.low, second.low) <= min(first.high, second.high)


def paired_bootstrap(
    first: ArrayLike, second: ArrayLike, *, num_resamples: int = _LEAST_RESAMPLES, seed: int
) -> Difference:
    """Compare two scores of the same images (N,), N >= 1, by drawing images anew.

    The p-value is twice the smaller share of resamples on one side of 0, with one added to both counts so that it
    is never 0. Differences that are all alike have no spread to judge by: an interval of width 0, and p = 1.

    Raises:
        ValueError: other shapes.
    """
    scores = _stack([first, second])
    return _difference(scores[0] - scores[1], -np.diff(_resampled_means(scores, num_resamples, seed), axis=0)[0])


def mean_with_interval(values: ArrayLike, *, seed: int) -> Difference:
    """Average scores over images, with the interval of ``paired_bootstrap``: a difference from 0."""
    return paired_bootstrap(values, np.zeros_like(values, dtype=float), seed=seed)


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values (M,) for their number by Holm's step-down method."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted


def compare_pairs(
    scores: Mapping[str, ArrayLike],
    *,
    summaries: Mapping[str, Summary] | None = None,
    num_resamples: int | None = None,
    seed: int,
) -> list[PairRow]:
    """Compare every two approaches by ``paired_bootstrap`` and Holm; all pairs share their resamples.

    Args:
        scores: an approach's scores of the same N images (N,), in the same order.
        summaries: its scores over repeats, for ``intervals_overlap``.
        num_resamples: None: 9,999, or more for above 99 pairs: Holm multiplies the smallest p-value there can be,
            2 / (num_resamples + 1), by the number of pairs.
        seed: of the resamples.

    Returns:
        one row a pair, in the order of ``scores``.

    Raises:
        ValueError: scores of other shapes.
    """
    pairs = list(combinations(scores, 2))
    if not pairs:
        return []
    stacked = dict(zip(scores, _stack(list(scores.values())), strict=True))
    num_resamples = num_resamples or max(_LEAST_RESAMPLES, _RESAMPLES_A_PAIR * len(pairs))
    means = dict(zip(scores, _resampled_means(np.stack([*stacked.values()]), num_resamples, seed), strict=True))
    differences = [_difference(stacked[a] - stacked[b], means[a] - means[b]) for a, b in pairs]
    adjusted = holm([difference.p_value for difference in differences])
    known = summaries or {}
    return [
        PairRow(
            first=a,
            second=b,
            difference=difference,
            adjusted_p=float(p),
            significant=bool(p < SIGNIFICANCE),
            intervals_overlap=intervals_overlap(known[a], known[b]) if a in known and b in known else None,
        )
        for (a, b), difference, p in zip(pairs, differences, adjusted, strict=True)
    ]


def correlation(x: ArrayLike, y: ArrayLike) -> Correlation:
    """Correlate two values of the same things (N,); pairs with a nan are left out."""
    pairs = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    num = pairs.shape[1]
    if num < 2 or (np.ptp(pairs, axis=1) <= 1e-9 * np.abs(pairs).max(axis=1)).any():
        return Correlation(np.nan, np.nan, num)
    return Correlation(float(stats.pearsonr(*pairs).statistic), float(stats.spearmanr(*pairs).statistic), num)


def _stack(scores: Sequence[ArrayLike]) -> Floats:
    arrays = [np.asarray(values, dtype=np.float64) for values in scores]
    if arrays[0].ndim != 1 or arrays[0].size == 0 or len({array.shape for array in arrays}) > 1:
        raise ValueError(f"scores of shapes {[array.shape for array in arrays]}, expected the same (N,), N >= 1")
    return np.stack(arrays)


def _resampled_means(scores: Floats, num_resamples: int, seed: int) -> Floats:
    """Average (A, N) scores over the same drawings of N images with replacement: (A, num_resamples)."""
    rng, num_images = np.random.default_rng(seed), scores.shape[1]
    means = np.empty((len(scores), num_resamples))
    rows = max(1, _CHUNK_INDICES // num_images)
    for start in range(0, num_resamples, rows):
        num = min(rows, num_resamples - start)
        # How often each image is drawn says all about a mean, and makes of all means one product of matrices.
        drawn = rng.integers(0, num_images, (num, num_images)) + num_images * np.arange(num)[:, None]
        times = np.bincount(drawn.ravel(), minlength=num * num_images).reshape(num, num_images)
        means[:, start : start + num] = scores @ times.T.astype(np.float64) / num_images
    return means


def _difference(differences: Floats, resampled: Floats) -> Difference:
    """Give the mean of (N,) differences, with interval and p-value from its resamples (B,)."""
    mean = float(differences.mean())
    if np.ptp(differences) < _ROUNDING:
        return Difference(mean, mean, mean, 1.0)
    # The BCa interval of a mean, whose jackknife needs no loop (Efron 1987); scipy.stats.bootstrap gives the same
    # but draws anew for each pair.
    num = resampled.size
    at_or_below = (np.sum(resampled < mean - _ROUNDING) + np.sum(resampled <= mean + _ROUNDING)) / (2 * num)
    bias = ndtri(np.clip(at_or_below, 0.5 / num, 1 - 0.5 / num))
    centred = differences - mean
    acceleration = np.sum(centred**3) / (6 * np.sum(centred**2) ** 1.5)
    z = bias + ndtri([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    low, high = np.quantile(resampled, ndtr(bias + z / (1 - acceleration * z)))
    beyond = min(np.sum(resampled <= _ROUNDING), np.sum(resampled >= -_ROUNDING))
    return Difference(mean, float(low), float(high), min(1.0, 2 * (1 + int(beyond)) / (num + 1)))
