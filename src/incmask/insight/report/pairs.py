"""Approaches compared two by two: differences with their intervals, p-values adjusted for all pairs; pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from incmask.insight.report.differences import Estimate, can_tell, mean_over, paired_difference
from incmask.insight.report.statistics import SIGNIFICANCE, Summary, holm, intervals_overlap


@dataclass(frozen=True)
class PairRow:
    """Two approaches compared.

    Attributes:
        first: name of an approach.
        second: name of another.
        difference: first minus second.
        adjusted_p: Holm's, over all pairs compared together; nan where nothing can be told.
        significant: ``adjusted_p`` is below 0.05; None where nothing can be told: one repeat, or too few subjects.
        intervals_overlap: of the means over repeats; None without intervals.
    """

    first: str
    second: str
    difference: Estimate
    adjusted_p: float
    significant: bool | None
    intervals_overlap: bool | None

    @property
    def turned(self) -> "PairRow":
        """Second minus first."""
        return replace(self, first=self.second, second=self.first, difference=-self.difference)


def compare_pairs(
    scores: Mapping[str, Mapping[int, ArrayLike]], *, summaries: Mapping[str, Summary] | None = None
) -> list[PairRow]:
    """Compare every two approaches by ``paired_difference`` and Holm.

    Args:
        scores: an approach's scores by repeat: (G,) on the same subjects, or (), of which repeats alone are drawn. Of
            two approaches those repeats count that both have, one or more.
        summaries: its scores over repeats, for ``intervals_overlap``.

    Returns:
        one row a pair, in the order of ``scores``.

    Raises:
        ValueError: scores of other shapes.
    """
    known = summaries or {}
    pairs = list(combinations(scores, 2))
    found = [_compare(scores[first], scores[second]) for first, second in pairs]
    told = [index for index, difference in enumerate(found) if can_tell(difference)]
    adjusted = dict(zip(told, holm([found[index].p_value for index in told]).tolist(), strict=True))
    return [
        PairRow(
            first=first,
            second=second,
            difference=found[index],
            adjusted_p=adjusted.get(index, math.nan),
            significant=adjusted[index] < SIGNIFICANCE if index in adjusted else None,
            intervals_overlap=(
                intervals_overlap(known[first], known[second]) if first in known and second in known else None
            ),
        )
        for index, (first, second) in enumerate(pairs)
    ]


def _compare(first: Mapping[int, ArrayLike], second: Mapping[int, ArrayLike]) -> Estimate:
    repeats = [repeat for repeat in first if repeat in second]
    a, b = (np.asarray([each[repeat] for repeat in repeats], dtype=np.float64) for each in (first, second))
    return mean_over("repeat", a - b) if a.ndim == 1 else paired_difference(a, b)
