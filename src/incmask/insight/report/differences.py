"""Means of scores with intervals that know every draw behind them: trainings and subjects; pure.

A score would be another one after another training, and on other images. Images of one subject (a patient, a frame, a
slide) go together, so that subjects are what is drawn; each counts alike, whatever the number of its images.

The reach of an interval is the root of the sum of the squares of the reaches that each draw has alone, each by
Student's t with its own degrees of freedom (Banerjee 1960, Sankhya 22, 357). It holds its level, whatever the draws'
shares, where Satterthwaite's degrees of freedom do not with 2 or 3 trainings (``benchmarks/false_alarms.py``). Subjects
of unequal spread do no harm (Ibragimov and Müller 2010, Journal of Business & Economic Statistics 28, 453).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import stdtrit

from incmask.insight.report.statistics import (
    DIFFERENCE_BOUNDS,
    SCORE_BOUNDS,
    SIGNIFICANCE,
    Bounds,
    Floats,
    interval_within,
)

Draw = Literal["repeat", "model without", "model with", "fold", "subject"]

LEAST_SUBJECTS = 6
"""Of fewer, even a difference that all of them share is chance more often than one time in 20 (2 of 2^5)."""

_ROUNDING = 1e-12
"""Means nearer to 0 than this are 0: those over the same images in another order differ by less."""
_LEAST_P = 1e-50


@dataclass(frozen=True)
class Source:
    """A draw that a mean depends on.

    Attributes:
        draw: what was drawn.
        num: how many.
        variance: of the mean, since others might have been drawn; nan where only one was."""

    draw: Draw
    num: int
    variance: float

    @property
    def is_enough(self) -> bool:
        """Whether so many carry an interval that may be told."""
        return self.num >= (LEAST_SUBJECTS if self.draw == "subject" else 2)

    def reach(self, level: float) -> float:
        """Give half the width of the t interval that misses with probability ``level``; nan where one was drawn."""
        return -float(stdtrit(self.num - 1, level / 2)) * math.sqrt(self.variance) if self.num > 1 else math.nan


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of means, and the draws that it depends on.

    Attributes:
        mean: as it was found.
        sources: of chance.
        bounds: between which the mean can lie.
    """

    mean: float
    sources: tuple[Source, ...]
    bounds: Bounds = DIFFERENCE_BOUNDS

    def num(self, draw: Draw) -> int:
        """Tell how many were drawn; 0: this was not."""
        return next((source.num for source in self.sources if source.draw == draw), 0)

    def reach(self, level: float = SIGNIFICANCE) -> float:
        """Give half the width of the interval that misses with probability ``level`` at most.

        A difference below it cannot be shown. nan where one thing alone was drawn of anything.
        """
        return math.hypot(*(source.reach(level) for source in self.sources))

    def ends(self, level: float = SIGNIFICANCE) -> tuple[float, float]:
        """Give the ends of that interval, within the bounds."""
        return interval_within(self.bounds, self.mean, self.reach(level))

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % interval; nan where too little was drawn for one that may be told."""
        return (self.low, self.high) if can_tell(self) else (math.nan, math.nan)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval, within the bounds."""
        return self.ends()[0]

    @property
    def high(self) -> float:
        """Upper end of it."""
        return self.ends()[1]

    @cached_property
    def p_value(self) -> float:
        """Two-sided, that the mean is 0: the level at which the interval ends there.

        Above 0, up to 1; nan without an interval. Values that are all alike have no spread to judge by: 1.
        """
        width = self.reach()
        if math.isnan(width):
            return math.nan
        if abs(self.mean) < _ROUNDING or width < _ROUNDING:
            return 1.0

        def beyond(log_level: float) -> float:
            return self.reach(math.exp(log_level)) - abs(self.mean)

        lowest = math.log(_LEAST_P)
        return math.exp(brentq(beyond, lowest, 0.0)) if beyond(lowest) > 0 else _LEAST_P

    def __neg__(self) -> "Estimate":
        """Second minus first."""
        low, high = self.bounds
        return replace(self, mean=-self.mean, bounds=(-high, -low))

    def with_num(self, draw: Draw, num: int) -> "Estimate":
        """Tell what to expect of another number of trainings or subjects with the same spread."""
        return replace(
            self,
            sources=tuple(
                Source(draw, num, source.variance * source.num / num) if source.draw == draw else source
                for source in self.sources
            ),
        )


def by_subject(scores: ArrayLike, subjects: Sequence[str]) -> Floats:
    """Average scores (..., N) over the images of each subject, in the order in which they come first: (..., G).

    Examples:
        >>> by_subject([0.2, 0.5, 0.4], ["frame 1", "frame 2", "frame 1"])
        array([0.3, 0.5])
    """
    return _sums(scores, subjects) / _sums(np.ones(len(subjects)), subjects)


def ratio_over_subjects(parts: ArrayLike, wholes: ArrayLike, subjects: Sequence[str]) -> Estimate:
    """Divide the sum of parts (N,) by the sum of wholes (N,) above 0; a subject's images go together.

    No part is more than its whole. With wholes of 1 this is the mean of the parts. The ratio is nearly linear in the
    sums, so that its error is that of the mean of each subject's part less the ratio's share of its whole (Cochran
    1977, Sampling Techniques, section 6.3).

    Examples:
        >>> found = ratio_over_subjects([0.70, 0.72, 0.74], [1, 1, 1], ["a", "b", "c"])
        >>> round(found.low, 4), round(found.high, 4)  # an error of 0.02 / sqrt(3), times 4.3027
        (0.6703, 0.7697)
    """
    part, whole = (_sums(each, subjects) for each in (parts, wholes))
    ratio = part.sum() / whole.sum()
    return Estimate(float(ratio), (_source("subject", (part - ratio * whole) / whole.mean()),), SCORE_BOUNDS)


def mean_over(draw: Draw, values: ArrayLike) -> Estimate:
    """Average differences (N,), one or more, of which nothing else is known to be a draw."""
    array = np.asarray(values, dtype=np.float64)
    return Estimate(float(array.mean()), (_source(draw, array),))


def paired_difference(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Compare two approaches, each repeat of one with the same repeat of the other: they share seeds and base models.

    What a repeat's approaches have in common cancels; nothing is assumed of it.

    Args:
        first, second: scores (R, G) of R repeats, one or more, on the same G subjects.

    Raises:
        ValueError: other shapes.
    """
    a, b = _tables(first, second)
    if a.shape != b.shape:
        raise ValueError(f"scores of shapes {a.shape} and {b.shape}, expected the same")
    differences = a - b
    sources = (_source("repeat", differences.mean(1)), _source("subject", differences.mean(0)))
    return Estimate(float(differences.mean()), sources)


def unpaired_difference(with_them: ArrayLike, without: ArrayLike) -> Estimate:
    """Compare two sets of models that were trained apart.

    Args:
        with_them, without: scores (M, G) and (K, G) of models, one or more, on the same G subjects.

    Raises:
        ValueError: other shapes.
    """
    a, b = _tables(with_them, without)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"scores of {a.shape[1]} and {b.shape[1]} subjects, expected the same")
    differences = a.mean(0) - b.mean(0)
    sources = (
        _source("model with", a.mean(1)),
        _source("model without", b.mean(1)),
        _source("subject", differences),
    )
    return Estimate(float(differences.mean()), sources)


def can_tell(found: Estimate) -> bool:
    """Tell whether there is enough for an interval and a verdict: of each draw two or more, and ``LEAST_SUBJECTS``."""
    return all(source.is_enough for source in found.sources)


def _tables(*scores: ArrayLike) -> list[Floats]:
    arrays = [np.asarray(each, dtype=np.float64) for each in scores]
    if any(array.ndim != 2 or array.size == 0 for array in arrays):
        raise ValueError(f"scores of shapes {[array.shape for array in arrays]}, expected trainings by subjects")
    return arrays


def _sums(values: ArrayLike, subjects: Sequence[str]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    places = {name: place for place, name in enumerate(dict.fromkeys(subjects))}
    sums = np.zeros((len(places), *array.shape[:-1]))
    np.add.at(sums, [places[name] for name in subjects], np.moveaxis(array, -1, 0))
    return np.moveaxis(sums, 0, -1)


def _source(draw: Draw, values: Floats) -> Source:
    num = values.size
    return Source(draw, num, float(values.var(ddof=1)) / num if num > 1 else math.nan)
