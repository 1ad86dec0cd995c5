"""Other orders in which images may be labelled, to compare with and to choose. Pure."""

import warnings
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from incmask.insight.ranking.diversity import (
    MOST_ASKED,
    MOST_CHOSEN,
    Floats,
    Points,
    distances,
    greedy_order,
    nearest_of,
)
from incmask.insight.ranking.scores import worth

OrderName = Literal["ranked", "diverse", "core-set", "typical", "entropy", "random"]
ORDERS: tuple[str, ...] = get_args(OrderName)
"""``ranked``: by the expected error of all that an image stands for; ``diverse``: by how much it stands for, whatever
the models make of it; ``core-set``: the farthest from all that is known; ``typical``: the most typical of each cluster
without a label; ``entropy``: the most doubtful by itself; ``random``."""

RANKED, ENTROPY, RANDOM = "ranked", "entropy", "random"

_BATCH, _NEIGHBOURS, _MOST_CLUSTERS, _SEED = 20, 20, 500, 1


def diverse_order(features: Points, to_labelled: Floats) -> NDArray[np.int64]:
    """Order candidates by how many each stands for that nothing known stands for: that of ``greedy_order``.

    Args:
        features: (N, D).
        to_labelled: (N,), distance to the nearest labelled thing.
    """
    return greedy_order(features, worth(None, num=len(features)), to_labelled=to_labelled).order


def core_set_order(features: Points, to_labelled: Floats, *, most_chosen: int = MOST_CHOSEN) -> NDArray[np.int64]:
    """Order candidates by their distance to the nearest thing known (k-center greedy: Sener and Savarese, 2018).

    Args:
        features: (N, D).
        to_labelled: (N,), distance to the nearest labelled thing.
        most_chosen: so many are chosen one beside the other; the rest is ordered by the distance to these.
    """
    distance, chosen = np.asarray(to_labelled, np.float64).copy(), []
    for _ in range(min(len(features), most_chosen)):
        best = int(distance.argmax())
        chosen.append(best)
        distance = np.minimum(distance, distances(features, features[best]))
        distance[chosen] = -1
    rest = np.argsort(-distance, kind="stable")[: len(features) - len(chosen)]
    return np.array([*chosen, *rest.tolist()], np.int64)


def typical_order(
    features: Points, references: Floats, *, most_chosen: int = MOST_CHOSEN, most_asked: int = MOST_ASKED
) -> NDArray[np.int64]:
    """Order candidates so that each is the most typical of a cluster without a label (TypiClust: Hacohen et al., 2022).

    ``_BATCH`` at a time: all are clustered anew by k-means into as many clusters as there are known and wanted ones;
    of those with the fewest known ones the largest come first. An image is the more typical of its cluster, the nearer
    its ``_NEIGHBOURS`` nearest neighbours there are.

    Args:
        features: (N, D).
        references: (M, D), of what is labelled.
        most_chosen: so many are chosen; the rest follows in the order given.
        most_asked: so many candidates, drawn at random, may be chosen where there are more.
    """
    draw = np.random.default_rng(_SEED)
    asked = np.sort(draw.permutation(len(features))[:most_asked])
    points = np.concatenate([features[asked], references]).astype(np.float64)
    known = np.arange(len(points)) >= len(asked)
    chosen: list[int] = []
    while len(chosen) < min(len(asked), most_chosen):
        num = min(int(known.sum()) + _BATCH, len(points), _MOST_CLUSTERS)
        batch = _typical_of_clusters(points, known, _clusters(points, num, draw))
        known[batch] = True
        chosen += batch
    order = asked[chosen[:most_chosen]]
    return np.concatenate([order, np.setdiff1d(np.arange(len(features)), order)])


def _clusters(points: NDArray[np.float64], num: int, draw: np.random.Generator) -> NDArray[np.int64]:
    # Copies leave clusters empty, which is no matter here.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _, cluster = kmeans2(points, num, minit="++", rng=draw)
    return cluster.astype(np.int64)


def _typical_of_clusters(
    points: NDArray[np.float64], known: NDArray[np.bool_], cluster: NDArray[np.int64]
) -> list[int]:
    """Give the most typical unknown point of each of ``_BATCH`` clusters."""
    num = int(cluster.max()) + 1
    sizes, num_known = np.bincount(cluster, minlength=num), np.bincount(cluster[known], minlength=num)
    by_worth = np.lexsort((np.arange(num), -sizes, num_known))
    found = []
    for each in by_worth[sizes[by_worth] > num_known[by_worth]][:_BATCH]:
        members = np.flatnonzero(cluster == each)
        apart = np.sort(cdist(points[members], points[members]), axis=1)[:, 1 : _NEIGHBOURS + 1]
        spread = apart.mean(1) if apart.shape[1] else np.zeros(1)
        found.append(int(members[np.where(known[members], np.inf, spread).argmin()]))
    return found


def order_of(
    name: str, features: Points, references: Floats, *, entropies: NDArray[np.float64] | None, seed: list[int]
) -> NDArray[np.int64] | None:
    """Give the order of candidates of this name; None for that of ``greedy_order`` itself.

    Args:
        name: one of ``ORDERS``.
        features, references: (N, D) of the candidates, (M, D) of what is labelled.
        entropies: (N,), for "entropy".
        seed: of "random".
    """
    if name == RANKED:
        return None
    if name == RANDOM:
        return np.random.default_rng(seed).permutation(len(features))
    if name == "typical":
        return typical_order(features, references)
    if name == ENTROPY:
        assert entropies is not None, "they are measured for this order"
        return np.argsort(-entropies, kind="stable")
    to_labelled = nearest_of(features, references).distance
    return (diverse_order if name == "diverse" else core_set_order)(features, to_labelled)
