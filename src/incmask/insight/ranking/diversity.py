"""An order in which each image is worth the most beside those before it, for itself and for all that are like it.

Labelling one image teaches about those like it, too. So an image counts for the expected error of everything that it
resembles and that nothing labelled or chosen resembles yet (facility location; greedy, which is at most 37 % off the
best choice: Nemhauser, Wolsey and Fisher, 1978). Near-duplicates come late, and so do outliers that stand for
themselves alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from incmask.base.npy_rows import Rows

Floats = NDArray[np.floating]
Points = Floats | Rows
"""Features (N, D), in memory or on disk."""

MOST_CHOSEN = 500
"""So many are chosen one beside the other; the rest is ordered by what it is worth beside these."""

MOST_ASKED = 4000
"""So many candidates, drawn at random, stand for all of them where there are more."""

LABELLED = -1
"""In ``GreedyOrder.nearest``: what was most like it is labelled already."""

_ALIKE_QUANTILE = 0.05
"""Of the distances between two candidates: at this distance two are alike by 0.6."""

_TAKEN = -1.0
"""Below the gain of whatever is not chosen yet."""

_DRAWN_FOR_SCALE, _AT_ONCE, _ROWS_AT_ONCE, _SEED = 500, 64, 1 << 13, 1


@dataclass(frozen=True)
class GreedyOrder:
    """An order of N candidates, and how each was judged when its turn came; arrays (N,) in this order.

    Attributes:
        order: candidates, best first.
        gain: share of all candidates' expected error that each bears on and those before it do not, 0 to 1; never
            rises in the order of these gains.
        novelty: 0, the same as something known, to 1.
        nearest: the candidate before it that is most like it, or ``LABELLED``.
        num_alike: other candidates that are more like it than half and like nothing known; 0 after ``MOST_CHOSEN``.
    """

    order: NDArray[np.int64]
    gain: NDArray[np.float64]
    novelty: NDArray[np.float64]
    nearest: NDArray[np.int32]
    num_alike: NDArray[np.int32]


def greedy_order(
    features: Points,
    worth: Floats,
    *,
    to_labelled: Floats,
    given: NDArray[np.int64] | None = None,
    most_chosen: int = MOST_CHOSEN,
    most_asked: int = MOST_ASKED,
) -> GreedyOrder:
    """Order candidates by the expected error of all that each one stands for; or judge another order in this way.

    Two at the distance d are alike by exp(-d² / 2s²), with s the 5 % quantile of the distances between candidates.
    Novelty is told beside it: d / (d + t), with d the distance to the nearest thing known and t the median of
    ``to_labelled``. Equal ones come in the order given.

    Args:
        features: (N, D).
        worth: (N,), expected error of each, above 0.
        to_labelled: (N,), distance to the nearest labelled thing.
        given: (N,), an order that is taken as it is, in which gains may rise; None: this one.
        most_chosen, most_asked: see ``MOST_CHOSEN`` and ``MOST_ASKED``.
    """
    num_all, num = len(features), min(len(features), most_chosen)
    likeness = _Likeness(features, worth, to_labelled, most_asked=most_asked)
    # Where half of them are copies of labelled ones, anything else is as new as can be.
    typical = max(float(np.median(to_labelled)) if num_all else 0.0, 1e-12)
    distance = np.array(to_labelled, np.float64)
    nearest = np.full(num_all, LABELLED, np.int32)
    order, nearest_then, num_alike = np.zeros(num_all, np.int64), nearest.copy(), np.zeros(num_all, np.int32)
    gain, novelty = np.empty(num_all), np.empty(num_all)
    # A gain only falls while others are chosen: one that was worked out earlier is a limit to what it is now.
    limits = likeness.gains(np.arange(num_all))

    def take(turns: slice, chosen: NDArray[np.int64]) -> None:
        order[turns], nearest_then[turns] = chosen, nearest[chosen]
        novelty[turns] = distance[chosen] / (distance[chosen] + typical)
        gain[turns] = limits[chosen]
        limits[chosen] = _TAKEN

    for turn in range(num):
        best = _best(limits, likeness) if given is None else _next(limits, int(given[turn]), likeness)
        take(slice(turn, turn + 1), np.array([best]))
        to_best = distances(features, features[best])
        num_alike[turn] = likeness.choose(best, to_best)
        nearest[to_best < distance] = best
        np.minimum(distance, to_best, out=distance)
    rest = np.flatnonzero(limits != _TAKEN) if given is None else given[num:]
    limits[rest] = likeness.gains(rest)
    if given is None:
        rest = rest[np.argsort(-limits[rest], kind="stable")]
    # In parts, as all below: nothing beside what is told of each takes much memory where there are very many.
    for first in range(num, num_all, _ROWS_AT_ONCE):
        take(slice(first, first + _ROWS_AT_ONCE), rest[first - num : first - num + _ROWS_AT_ONCE])
    return GreedyOrder(order, gain, novelty, nearest_then, num_alike)


def _best(limits: NDArray[np.float64], likeness: "_Likeness") -> int:
    """Find the candidate of the greatest gain, and leave its gain in ``limits``; few others are worked out."""
    fresh = np.zeros(len(limits), bool)
    while True:
        best = int(limits.argmax())
        if fresh[best]:
            return best
        some = _greatest(limits, fresh)
        limits[some], fresh[some] = likeness.gains(some), True


def _greatest(limits: NDArray[np.float64], fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give those of the greatest limits that are not fresh, in their order, of equal ones the first."""
    # All are sorted of none but few.
    stale = np.where(fresh, _TAKEN, limits)
    if len(stale) > _AT_ONCE:
        stale.partition(len(stale) - _AT_ONCE)
    least = max(0.0, float(stale[-_AT_ONCE:].min()))
    some = np.flatnonzero(~fresh & (limits >= least))
    return some[np.argsort(-limits[some], kind="stable")[:_AT_ONCE]]


def _next(limits: NDArray[np.float64], index: int, likeness: "_Likeness") -> int:
    """Leave the gain of a candidate in ``limits``."""
    limits[[index]] = likeness.gains(np.array([index]))
    return index


class _Likeness:
    """How far candidates resemble what is known, and what each would add to that.

    Args:
        features, worth, to_labelled, most_asked: as for ``greedy_order``.
    """

    def __init__(self, features: Points, worth: Floats, to_labelled: Floats, *, most_asked: int):
        draw = np.random.default_rng(_SEED)
        num = len(features)
        self._features, self._worth = features, np.asarray(worth, np.float64)
        self._scale = _scale(self._some(draw.permutation(num)[:_DRAWN_FOR_SCALE]))
        self._asked = np.sort(draw.permutation(num)[:most_asked])
        self._features_asked = self._some(self._asked)
        self._known = self._alike(np.asarray(to_labelled, np.float64) ** 2)
        self._total = max(float(self._worth.sum()), 1e-12)

    def gains(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tell what each of some candidates would add: (rows,)."""
        found = np.empty(len(rows))
        asked, known = self._features_asked, self._known[self._asked]
        each = self._worth[self._asked] * (len(self._worth) / max(len(asked), 1))
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            table = self._alike(_squares(self._some(some), asked))
            # One that was not asked speaks for itself at least.
            alone = self._worth[some] * (1 - self._known[some])
            found[first : first + _AT_ONCE] = np.maximum(np.maximum(table - known, 0) @ each, alone) / self._total
        return found

    def choose(self, row: int, distance: Floats) -> int:
        """Make a candidate known; tell how many others are alike by more than a half and were like nothing known.

        Args:
            row: of the candidate.
            distance: (N,), from it to all.
        """
        num_new = -int(self._known[row] <= 0.5)
        for first in range(0, len(distance), _ROWS_AT_ONCE):
            some = slice(first, first + _ROWS_AT_ONCE)
            alike = self._alike(np.square(distance[some]))
            num_new += int(((alike > 0.5) & (self._known[some] <= 0.5)).sum())
            self._known[some] = np.maximum(self._known[some], alike)
        return num_new

    def _some(self, rows: NDArray[np.int64]) -> Floats:
        """Give the features of some, in double precision: of all together these would take much memory."""
        return self._features[rows].astype(np.float64)

    def _alike(self, squares: Floats) -> NDArray[np.float64]:
        return np.exp(squares / (-2 * self._scale**2))


def _scale(features: Floats) -> float:
    """Give the distance at which two are alike by 0.6: a low quantile, so that a kind of images is no wider."""
    first, second = np.triu_indices(len(features), 1)
    squares = _squares(features, features)[first, second]
    apart = np.sqrt(squares[squares > 1e-12])
    return float(np.quantile(apart, _ALIKE_QUANTILE)) if apart.size else 1.0


def _squares(first: Floats, second: Floats) -> Floats:
    """Squared distances: (N, M), of (N, D) and (M, D)."""
    products = first @ second.T
    return np.maximum(np.square(first).sum(1)[:, None] + np.square(second).sum(1) - 2 * products, 0)


@dataclass(frozen=True)
class NearestReference:
    """The nearest reference of each of N points: which, and how far it is; (N,)."""

    index: NDArray[np.int64]
    distance: NDArray[np.float64]


def nearest_of(points: Points, references: Floats, *, leave_self_out: bool = False) -> NearestReference:
    """Find the nearest reference of each point.

    Args:
        points: (N, D).
        references: (M, D), M >= 1.
        leave_self_out: both are the same things, and none is its own nearest; of a single one the distance is inf.
    """
    nearest = NearestReference(np.zeros(len(points), np.int64), np.full(len(points), np.inf))
    # One by one: a table of all distances may not fit into memory.
    for index, reference in enumerate(references):
        to_it = distances(points, reference)
        if leave_self_out:
            to_it[index] = np.inf
        nearer = to_it < nearest.distance
        nearest.distance[nearer], nearest.index[nearer] = to_it[nearer], index
    return nearest


def distances(points: Points, point: Floats) -> NDArray[np.float64]:
    """Euclidean distance of each of (N, D) points to another; exactly 0 for a copy."""
    found = np.empty(len(points))
    for first in range(0, len(points), _ROWS_AT_ONCE):
        some = points[first : first + _ROWS_AT_ONCE] - point
        found[first : first + _ROWS_AT_ONCE] = np.square(some).sum(1, dtype=np.float64)
    return np.sqrt(found, out=found)
