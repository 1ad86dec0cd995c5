"""An order in which each image is worth the most beside those before it: greedy, so that near-duplicates come late."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

MOST_CHOSEN = 2000
"""So many are chosen one beside the other; the rest is ordered by what it is worth beside these."""


LABELLED = -1
"""In ``GreedyOrder.nearest``: what was most like it is labelled already."""


@dataclass(frozen=True)
class GreedyOrder:
    """An order of N candidates, and how each was judged when its turn came; arrays (N,) in this order.

    Attributes:
        order: candidates, best first.
        gain: what each was worth beside those before it; never rises.
        novelty: 0, the same as something known, to 1.
        nearest: the candidate before it that is most like it, or ``LABELLED``.
    """

    order: NDArray[np.int64]
    gain: NDArray[np.float64]
    novelty: NDArray[np.float64]
    nearest: NDArray[np.int64]


def greedy_order(
    features: Floats, worth: Floats, *, to_labelled: Floats, most_chosen: int = MOST_CHOSEN
) -> GreedyOrder:
    """Order candidates by worth times novelty, each new beside what is labelled and the candidates before it.

    Novelty is d / (d + t), with d the distance to the nearest thing known and t the median of ``to_labelled``: a copy
    of something known has 0, a typical candidate a half at the start. Equal ones come in the order given.

    Args:
        features: (N, D).
        worth: (N,), 0 or more.
        to_labelled: (N,), distance to the nearest labelled thing.
        most_chosen: see ``MOST_CHOSEN``.
    """
    num_all, num = len(features), min(len(features), most_chosen)
    # Where half of them are copies of labelled ones, anything else is as new as can be.
    typical = max(float(np.median(to_labelled)) if num_all else 0.0, 1e-12)
    distance = np.asarray(to_labelled, np.float64)
    nearest = np.full(num_all, LABELLED, np.int64)
    order = np.empty(num_all, np.int64)
    gain, novelty = np.empty(num_all), np.empty(num_all)
    nearest_then = np.empty(num_all, np.int64)
    left = np.ones(num_all, bool)

    def take(turns: slice, chosen: NDArray[np.int64]) -> None:
        order[turns], nearest_then[turns] = chosen, nearest[chosen]
        novelty[turns] = distance[chosen] / (distance[chosen] + typical)
        gain[turns] = worth[chosen] * novelty[turns]
        left[chosen] = False

    for turn in range(num):
        best = int(np.where(left, worth * (distance / (distance + typical)), -1).argmax())
        take(slice(turn, turn + 1), np.array([best]))
        to_best = distances(features, features[best])
        nearest = np.where(to_best < distance, best, nearest)
        distance = np.minimum(distance, to_best)
    rest = np.flatnonzero(left)
    by_gain = np.argsort(-(worth * (distance / (distance + typical)))[rest], kind="stable")
    take(slice(num, None), rest[by_gain])
    return GreedyOrder(order, gain, novelty, nearest_then)


@dataclass(frozen=True)
class Nearest:
    """The nearest reference of each of N points: which, and how far it is; (N,)."""

    index: NDArray[np.int64]
    distance: NDArray[np.float64]


def nearest_of(points: Floats, references: Floats, *, leave_self_out: bool = False) -> Nearest:
    """Find the nearest reference of each point.

    Args:
        points: (N, D).
        references: (M, D), M >= 1.
        leave_self_out: both are the same things, and none is its own nearest; of a single one the distance is inf.
    """
    nearest = Nearest(np.zeros(len(points), np.int64), np.full(len(points), np.inf))
    # One by one: a table of all distances may not fit into memory.
    for index, reference in enumerate(references):
        to_it = distances(points, reference)
        if leave_self_out:
            to_it[index] = np.inf
        nearer = to_it < nearest.distance
        nearest.distance[nearer], nearest.index[nearer] = to_it[nearer], index
    return nearest


def distances(points: Floats, point: Floats) -> NDArray[np.float64]:
    """Euclidean distance of each of (N, D) points to another; exactly 0 for a copy."""
    return np.sqrt(np.square(points - point).sum(1, dtype=np.float64))
